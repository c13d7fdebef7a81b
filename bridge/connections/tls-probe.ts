import { isIP } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { connectionFault, type ConnectionFault } from './connection-fault.js';

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  /** What the client connects with; undefined: in plain text. */
  readonly tls: ConnectionOptions | undefined;
}

/** What a server says of itself. */
export interface SeenCertificate {
  readonly issuer: string;
  readonly names: string;
  readonly validFrom: string;
  readonly validTo: string;
}

export interface ProbeFinding {
  readonly fault: ConnectionFault | undefined;
  readonly certificate: SeenCertificate | undefined;
}

const HANDSHAKE_MS = 2_000;
/** With TLS 1.3 a server judges our certificate when the handshake is already done for us. */
const JUDGEMENT_MS = 500;

/**
 * Shakes hands once more, to learn why a connection has failed: clients hide it, and none of them shows the certificate
 * that it refused. Nothing is ever sent over it, so that it may look at a certificate that isn't trusted.
 */
export async function probeTls(target: ProbeTarget): Promise<ProbeFinding> {
  let socket: TLSSocket;
  try {
    socket = connect(optionsOf(target));
  } catch (error) {
    return { fault: connectionFault(error), certificate: undefined }; // a key that can't be read
  }
  return new Promise((resolve) => {
    let certificate: SeenCertificate | undefined;
    let shaken = false;
    const end = (fault: ConnectionFault | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ fault, certificate });
    };
    let timer = setTimeout(end, HANDSHAKE_MS, undefined);
    socket.once('secureConnect', () => {
      shaken = true;
      certificate = seen(socket);
      const fault =
        target.tls === undefined ? speaksTls('it answered a handshake') : refusedHere(target, socket);
      if (fault) return end(fault);
      clearTimeout(timer);
      timer = setTimeout(end, JUDGEMENT_MS, undefined);
    });
    const onEnd = (error?: Error): void => {
      if (target.tls === undefined)
        return end(isAlert(error) ? speaksTls('it answered with an alert') : undefined);
      end(connectionFault(error) ?? (shaken ? closedAfterHandshake() : undefined));
    };
    // Stays: a destroyed socket may still report an error.
    socket.on('error', onEnd);
    socket.once('close', () => onEnd());
  });
}

function optionsOf({ host, port, tls }: ProbeTarget): ConnectionOptions {
  return {
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...tls,
    host,
    port,
    rejectUnauthorized: false,
  };
}

function refusedHere({ tls }: ProbeTarget, socket: TLSSocket): ConnectionFault | undefined {
  const why = socket.authorizationError as Error | string | null | undefined;
  if (!why || tls?.rejectUnauthorized === false) return undefined;
  // Node keeps the code where there is one.
  return connectionFault(why instanceof Error ? why : new Error(why));
}

function seen(socket: TLSSocket): SeenCertificate | undefined {
  const { issuer, subject, subjectaltname, valid_from, valid_to } = socket.getPeerCertificate();
  if (valid_to === undefined) return undefined;
  return {
    issuer: [issuer.O, issuer.CN].flat().filter(Boolean).join(', '),
    names: subjectaltname ?? [subject.CN].flat().join(', '),
    validFrom: isoDate(valid_from),
    validTo: isoDate(valid_to),
  };
}

/** Node gives dates as OpenSSL prints them: "Nov 24 06:05:46 2026 GMT". */
function isoDate(text: string): string {
  const time = Date.parse(text);
  return Number.isNaN(time) ? text : new Date(time).toISOString().replace('.000Z', 'Z');
}

function speaksTls(detail: string): ConnectionFault {
  return { cause: 'tlsPort', detail };
}

function closedAfterHandshake(): ConnectionFault {
  return { cause: 'clientCertificate', detail: 'it closed the connection right after the handshake' };
}

function isAlert(error: Error | undefined): boolean {
  return /alert/i.test(`${(error as NodeJS.ErrnoException | undefined)?.code ?? ''} ${error?.message ?? ''}`);
}
