import { messageOf } from '../../errors.js';
import { oneLine } from '../../intake/one-line.js';
import { TemporalFault } from '../../temporal/temporal-port.js';
import { counted, type Check } from './checkup.js';
import { ok, problem } from './finding.js';

export const temporalCheck: Check = {
  name: 'temporal',
  needs: [],
  look: async ({ config, namespace }) => {
    const { address, namespace: name } = config.temporal;
    try {
      await namespace();
      return [ok(`Temporal at ${address} answers for namespace ${name}`)];
    } catch (error) {
      const status = error instanceof TemporalFault ? error.status : undefined;
      const reason = oneLine(messageOf(error));
      const advice =
        status === 'NOT_FOUND'
          ? `Create the namespace (\`temporal operator namespace create --namespace ${name} --retention 720h\`), or name another one in \`temporal.namespace\` or TEMPORAL_NAMESPACE.`
          : status === 'UNAUTHENTICATED' || status === 'PERMISSION_DENIED'
            ? 'Check `temporal.apiKey` (TEMPORAL_API_KEY) or the client certificate in `temporal.tls`, and what it may do in this namespace.'
            : connectionAdvice(reason, '`temporal.address` (TEMPORAL_ADDRESS)', '`temporal.tls`');
      return [problem(`Temporal at ${address}, namespace ${name}, can't be used: ${reason}`, advice)];
    }
  },
};

export const kafkaCheck: Check = {
  name: 'kafka',
  needs: [],
  look: async ({ config, kafka }) => {
    const where = config.kafka.brokers.join(', ');
    try {
      const { brokers } = await kafka.cluster();
      return [ok(`Kafka at ${where} answers: ${counted(brokers, 'broker')}`)];
    } catch (error) {
      const reason = oneLine(messageOf(error));
      const advice = /sasl|authenticat/i.test(reason)
        ? 'Check `kafka.sasl`: mechanism, user and password as the broker has them.'
        : connectionAdvice(reason, '`kafka.brokers` (KAFKA_BROKERS)', '`kafka.ssl`');
      return [problem(`Kafka at ${where} can't be used: ${reason}`, advice)];
    }
  },
};

/** What the server is: nothing is ever wrong with that, but a report without it helps nobody. */
export const serverCheck: Check = {
  name: 'server',
  needs: ['temporal'],
  look: async ({ temporal, namespace }) => {
    const [{ version, persistence }, { capabilities }] = await Promise.all([temporal.server(), namespace()]);
    const store = persistence === undefined ? '' : ` on ${persistence}`;
    const can = capabilities.length === 0 ? 'none named' : capabilities.join(', ');
    return [ok(`Temporal server ${version}${store}; capabilities: ${can}`)];
  },
};

/** By what Node, gRPC and kafkajs say: the words are OpenSSL's and libuv's. */
const CAUSES: readonly (readonly [RegExp, (address: string, tls: string) => string])[] = [
  [/ECONNREFUSED/, (address) => `Nothing listens there: start it, or correct ${address}.`],
  [
    /ENOTFOUND|EAI_AGAIN|name resolution/i,
    (address) => `The host's name is not known here: correct ${address}, or the DNS of this machine.`,
  ],
  [
    /expired/i,
    (_address, tls) => `A certificate has expired: renew the server's, or the client's in ${tls}.`,
  ],
  [
    /altnames|does not match certificate/i,
    (address, tls) =>
      `The certificate is for another host: use its name in ${address}, or name it in ${tls}.`,
  ],
  [
    /self.signed|unable to (?:get|verify)|unknown ca|certificate/i,
    (_address, tls) => `Give the CA that has signed the server's certificate in ${tls}.`,
  ],
  [
    /wrong version number|EPROTO|before secure TLS|packet length too long/i,
    (address, tls) => `The server speaks no TLS there: leave ${tls} out, or take its TLS port in ${address}.`,
  ],
  [
    /ECONNRESET|socket hang up|closed|dropped|protocol error/i,
    (address, tls) =>
      `It ended the connection: ${address} may be a TLS port (then set ${tls}), or another protocol's.`,
  ],
];

function connectionAdvice(reason: string, address: string, tls: string): string {
  const cause = CAUSES.find(([pattern]) => pattern.test(reason));
  return cause
    ? cause[1](address, tls)
    : `See that ${address} can be reached from here (a firewall swallows calls in silence), and that ${tls} is set if and only if it is a TLS port.`;
}
