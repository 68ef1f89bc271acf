// One connection through the fault proxy. Requests go one after the other; each is handed to a fault, which alone
// decides what becomes of it: delivered or not, now or late, answered or not. What a fault does not do does not
// happen. When one end goes, the other is ended too, unless a request is still held for the server.
import { connect, type Socket } from 'node:net';
import type { Piece, RequestName, RequestReader } from './request-reader.js';

export interface SeenRequest extends RequestName {
  /** From 1, in the order of arrival at this proxy. */
  readonly number: number;
}

/** A request on its way, in the hands of a fault. */
export interface Passage {
  readonly request: SeenRequest;
  /** Hands the request to the server. */
  deliver(): void;
  /** The server has begun to answer, so it has done what was asked; or it has closed the connection. */
  readonly answered: Promise<void>;
  /** The answer goes on to the client, all of it and all that follows. */
  passAnswer(): void;
  /** The first bytes of the answer go on to the client, nothing after them. */
  passAnswerBegin(bytes: number): void;
  /** The client has closed the connection: it gave up, or died. */
  readonly client_gone: Promise<void>;
  cutClient(): void;
  cutServer(): void;
  cut(): void;
}

export type Fault = (passage: Passage) => void | Promise<void>;

export interface ConnectionPorts {
  readonly target_port: number;
  readonly reader: RequestReader;
  /** Notes the request and says what it meets. */
  judge(request: RequestName): { readonly request: SeenRequest; readonly fault: Fault };
  /** Nothing passes, in no direction, and nobody is told. */
  inHole(): boolean;
}

/** @returns how to end both halves. */
export function carry(client: Socket, ports: ConnectionPorts): { cut(): void; readonly over: Promise<void> } {
  const server = connect(ports.target_port, '127.0.0.1');
  const client_gone = new Promise<void>((resolve) => client.once('close', () => { resolve(); }));
  const server_gone = new Promise<void>((resolve) => server.once('close', () => { resolve(); }));
  /** Answers that a fault keeps from the client; null: they pass. */
  let kept: Buffer[] | null = null;
  let heard: () => void = () => undefined;
  let held = 0;
  let queue = Promise.resolve();

  for (const socket of [client, server]) {
    socket.setNoDelay(true);
    socket.on('error', () => { socket.destroy(); });
  }
  const write = (socket: Socket, bytes: Buffer): void => { if (socket.writable) socket.write(bytes); };
  const cut = (): void => { for (const socket of [client, server]) socket.destroy(); };

  client.on('data', (bytes) => {
    if (ports.inHole()) return;
    for (const piece of ports.reader.push(bytes)) queue = queue.then(() => take(piece)).catch(cut);
  });
  server.on('data', (bytes) => {
    if (ports.inHole()) return;
    if (kept === null) write(client, bytes);
    else kept.push(bytes);
    heard();
  });
  void client_gone.then(() => queue).then(() => { if (held === 0 && !ports.inHole()) server.end(); });
  void server_gone.then(() => {
    heard();
    return queue;
  }).then(() => { if (!ports.inHole()) client.end(); });

  async function take({ bytes, request }: Piece): Promise<void> {
    if (request === null) {
      write(server, bytes);
      return;
    }
    const judged = ports.judge(request);
    const answered = Promise.race([new Promise<void>((resolve) => { heard = resolve; }), server_gone]);
    kept = [];
    held += 1;
    const passage: Passage = {
      request: judged.request, answered, client_gone, cut,
      deliver: () => { write(server, bytes); },
      passAnswer: () => {
        for (const answer of kept ?? []) write(client, answer);
        kept = null;
      },
      passAnswerBegin: (length) => { write(client, Buffer.concat(kept ?? []).subarray(0, length)); },
      cutClient: () => { client.destroy(); },
      cutServer: () => { server.destroy(); },
    };
    try {
      await judged.fault(passage);
    } finally {
      held -= 1;
      if (client.destroyed && held === 0) server.end();
    }
  }

  return { cut, over: Promise.all([client_gone, server_gone]).then(() => undefined) };
}
