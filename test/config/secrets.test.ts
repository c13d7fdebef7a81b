import test from 'ava';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { validateConfig } from '../../bridge/config/schema.js';
import type { BridgeConfig } from '../../bridge/config/types.js';
import { messageOf } from '../../bridge/errors.js';
import { BASE } from './base-config.js';

const CANARY = 'canary-7f3a';

const CONFIGS: Readonly<Record<string, unknown>> = {
  'a sasl that is text': { ...BASE, kafka: { ...BASE.kafka, sasl: CANARY } },
  'a sasl without mechanism': { ...BASE, kafka: { ...BASE.kafka, sasl: { password: CANARY } } },
  'an ssl that is text': { ...BASE, kafka: { ...BASE.kafka, ssl: CANARY } },
  'a tls that is text': { ...BASE, temporal: { ...BASE.temporal, tls: CANARY } },
  'an API key that is an array': { ...BASE, temporal: { ...BASE.temporal, apiKey: [CANARY] } },
  'a registry password in the wrong place': {
    ...BASE,
    decoder: { type: 'schema-registry', url: 'http://r', password: CANARY },
  },
  'an auth that is text': { ...BASE, decoder: { type: 'schema-registry', url: 'http://r', auth: CANARY } },
  'an unknown field of auth': {
    ...BASE,
    decoder: { type: 'schema-registry', url: 'http://r', auth: { token: CANARY } },
  },
  'a URL with credentials': { ...BASE, uiUrl: `ftp://user:${CANARY}@host/x` },
  'a webhook that is no URL': { ...BASE, alerts: { webhook: `hooks.test/${CANARY}` } },
  'headers that are text': { ...BASE, alerts: { headers: `authorization: ${CANARY}` } },
  'an API key at the top': { ...BASE, apiKey: CANARY },
};

for (const [what, config] of Object.entries(CONFIGS)) {
  test(`${what} is refused without being shown`, (t) => {
    const error = t.throws(() => validateConfig(config));
    t.false(`${error?.stack} ${String(error?.cause)}`.includes(CANARY));
  });
}

test('a secret of the wrong kind reads as hidden', (t) => {
  const config = { ...BASE, temporal: { ...BASE.temporal, apiKey: 42 } };
  t.throws(() => validateConfig(config), {
    message: 'Expected `temporal.apiKey` to be a string that is not empty, got <hidden>',
  });
});

test('credentials in KAFKA_BROKERS are not shown', (t) => {
  for (const brokers of [
    `kafka://u:${CANARY}@host:9092`,
    `u:${CANARY}@host:9092`,
    `a:1,u:x/${CANARY}@host`,
  ]) {
    const error = t.throws(() =>
      resolveConfig(BASE as BridgeConfig, { baseDir: '/', env: { KAFKA_BROKERS: brokers } }),
    );
    t.false(messageOf(error).includes(CANARY), brokers);
    t.true(
      messageOf(error).startsWith(
        'Expected `KAFKA_BROKERS` to be `host:port`, several separated by commas, got ',
      ),
    );
  }
});
