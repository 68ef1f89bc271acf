// The client's half of JSON-RPC over HTTP, as far as the fault proxy needs it: a head up to an empty line, a body of
// the length that the head names, the method in it. One connection may carry several, one after the other.
// Chunked bodies are not read: the daemons' client sends none.
import type { Piece, Protocol } from './request-reader.js';

const end_of_head = Buffer.from('\r\n\r\n');

export const rpcRequests: Protocol = () => {
  let waiting: Buffer = Buffer.alloc(0);

  function takeRequest(): Piece | null {
    const head_length = waiting.indexOf(end_of_head);
    if (head_length < 0) return null;
    const head = waiting.subarray(0, head_length).toString('latin1');
    const body_begins = head_length + end_of_head.length;
    const length = body_begins + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    if (waiting.length < length) return null;
    const bytes = waiting.subarray(0, length);
    const text = waiting.subarray(body_begins, length).toString();
    waiting = waiting.subarray(length);
    return { bytes, request: { name: methodOf(text), text } };
  }

  return {
    push: (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      const pieces: Piece[] = [];
      for (let piece = takeRequest(); piece !== null; piece = takeRequest()) pieces.push(piece);
      return pieces;
    },
  };
};

function methodOf(body: string): string {
  try {
    const { method } = JSON.parse(body) as { method?: unknown };
    return typeof method === 'string' ? method : '?';
  } catch {
    return '?';
  }
}
