import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A forwarder on loopback that keeps what clients have sent. */
export interface WireTap extends AsyncDisposable {
  readonly port: number;
  /** `127.0.0.1:<port>` */
  readonly address: string;
  /** The bytes of each connection, in the order in which they came. Connections that sent nothing are left out. */
  readonly sent: readonly Buffer[];
}

export async function tapWire(targetPort: number): Promise<WireTap> {
  const sent: Buffer[][] = [];
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const chunks: Buffer[] = [];
    sent.push(chunks);
    open.add(client);
    const upstream = connect(targetPort, '127.0.0.1');
    client.on('data', (chunk: Buffer) => chunks.push(chunk));
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy()).on('close', () => client.end());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    address: `127.0.0.1:${port}`,
    get sent() {
      return sent.filter((chunks) => chunks.length > 0).map((chunks) => Buffer.concat(chunks));
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      // A client that was refused may leave its end open: the worker's core does.
      for (const client of open) client.destroy();
    },
  };
}

/** Whether a connection began with a TLS handshake: a record of type 22, version 3.x. */
export function beganWithTls(bytes: Buffer): boolean {
  return bytes[0] === 0x16 && bytes[1] === 0x03;
}
