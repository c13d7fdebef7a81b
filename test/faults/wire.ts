/** Tells a request and its own reply apart in a connection that carries many at once. Fed with every byte that passes. */
export interface Exchange {
  /** @returns whether the request that is looked for is now complete */
  request(bytes: Buffer): boolean;
  /** @returns whether its reply begins in these bytes */
  reply(bytes: Buffer): boolean;
}

/**
 * A Kafka request of an API key (0 Produce, 1 Fetch, 8 OffsetCommit, 11 JoinGroup) and the reply with the same
 * correlation ID. A broker answers a connection's requests in order, so "the next bytes" would be another's reply.
 */
export function kafkaExchange(apiKey: number): Exchange {
  let wanted: number | undefined;
  const requests = lengthPrefixed((frame) => {
    if (wanted === undefined && frame.readInt16BE(4) === apiKey) wanted = frame.readInt32BE(8);
  });
  let replied = false;
  const replies = lengthPrefixed((frame) => {
    if (frame.readInt32BE(4) === wanted) replied = true;
  });
  return {
    request: (bytes) => {
      requests(bytes);
      return wanted !== undefined;
    },
    reply: (bytes) => {
      replies(bytes);
      return replied;
    },
  };
}

/**
 * Calls back with the beginning of every frame: its length (4 bytes) and at least 8 more. It must be fed from a
 * frame's boundary on, which an idle connection is at.
 */
function lengthPrefixed(onFrame: (frame: Buffer) => void): (bytes: Buffer) => void {
  let head: Buffer = Buffer.alloc(0);
  let skip = 0;
  return (chunk) => {
    let rest = chunk;
    while (rest.length > 0) {
      const skipped = Math.min(skip, rest.length);
      skip -= skipped;
      rest = rest.subarray(skipped);
      if (rest.length === 0) return;
      head = Buffer.concat([head, rest]);
      if (head.length < 12) return;
      onFrame(head);
      const length = 4 + head.readInt32BE(0);
      rest = length < head.length ? head.subarray(length) : Buffer.alloc(0);
      skip = Math.max(length - head.length, 0);
      head = Buffer.alloc(0);
    }
  };
}

const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const DATA = 0;
const HEADERS = 1;

/**
 * A gRPC call whose message contains these bytes, as a workflow ID (paths are compressed by HPACK, messages are not),
 * and the headers of its answer. "The next bytes" would be a window update, which the server sends before it has
 * begun with the call.
 * @param contains must lie within one DATA frame
 */
export function grpcExchange(contains: string | Buffer): Exchange {
  let stream: number | undefined;
  const requests = http2Frames((type, id, payload) => {
    if (stream === undefined && type === DATA && payload.includes(contains)) stream = id;
  });
  let replied = false;
  const replies = http2Frames((type, id) => {
    if (type === HEADERS && id === stream) replied = true;
  });
  return {
    request: (bytes) => {
      requests(bytes);
      return stream !== undefined;
    },
    reply: (bytes) => {
      replies(bytes);
      return replied;
    },
  };
}

function http2Frames(
  onFrame: (type: number, stream: number, payload: Buffer) => void,
): (bytes: Buffer) => void {
  let held: Buffer = Buffer.alloc(0);
  return (bytes) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    if (held.subarray(0, HTTP2_PREFACE.length).equals(HTTP2_PREFACE))
      held = held.subarray(HTTP2_PREFACE.length);
    while (held.length >= 9) {
      const length = held.readUIntBE(0, 3);
      if (held.length < 9 + length) return;
      onFrame(held[3]!, held.readUInt32BE(5) & 0x7fffffff, held.subarray(9, 9 + length));
      held = held.subarray(9 + length);
    }
  };
}
