import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const ALTER_USER_SCRAM_CREDENTIALS = 51;
const SCRAM_SHA_512 = 2;
const ITERATIONS = 4096;

/**
 * Gives a SCRAM user another password, by a listener in plain text. kafkajs has no such request, and Kafka's own tool is
 * not among the jars of the local stack. Those who are logged in stay so.
 */
export async function setScramPassword(port: number, name: string, password: string): Promise<void> {
  const salt = randomBytes(16);
  const body = Buffer.concat([
    uvarint(1), // no deletions
    uvarint(2), // one upsertion
    compact(Buffer.from(name)),
    Buffer.from([SCRAM_SHA_512]),
    int32(ITERATIONS),
    compact(salt),
    compact(pbkdf2Sync(password, salt, ITERATIONS, 64, 'sha512')),
    Buffer.from([0, 0]), // no tagged fields, of the upsertion and of the request
  ]);
  const client = Buffer.from('test');
  const header = Buffer.concat([
    int16(ALTER_USER_SCRAM_CREDENTIALS),
    int16(0), // version
    int32(1), // correlation
    int16(client.length),
    client,
    Buffer.from([0]),
  ]);
  const response = await exchange(port, Buffer.concat([int32(header.length + body.length), header, body]));
  // Length, correlation, tagged fields, throttle time, then one result: the user and an error code.
  const at = 4 + 4 + 1 + 4 + 1;
  const code = response.readInt16BE(at + response[at]!);
  if (code !== 0) throw new Error(`Expected Kafka to take the password of ${name}, got error ${code}`);
}

function exchange(port: number, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let response = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.setTimeout(10_000, () => socket.destroy(new Error('Kafka has not answered')));
    socket.on('error', reject).on('data', (chunk: Buffer) => {
      response = Buffer.concat([response, chunk]);
      if (response.length < 4 || response.length < 4 + response.readInt32BE(0)) return;
      socket.destroy();
      resolve(response);
    });
  });
}

/** Of Kafka's compact types: the length and one more. All that is sent here is shorter than 127 bytes. */
function compact(bytes: Buffer): Buffer {
  return Buffer.concat([uvarint(bytes.length + 1), bytes]);
}

function uvarint(value: number): Buffer {
  return Buffer.from([value]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
