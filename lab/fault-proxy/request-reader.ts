// What a protocol has to tell the fault proxy: where in the bytes of a client one request ends and the next
// begins, and what it is called. A reader belongs to one connection and only looks: the bytes go on unchanged.

export interface RequestName {
  /** Short, for choosing: `COMMIT`, `UPDATE payments_lease`, `sendrawtransaction`. */
  readonly name: string;
  /** All of it, for whoever wants to look closer: the SQL, the JSON. */
  readonly text: string;
}

/** Bytes that belong together; without a request they only accompany the one before (a log-in's second half). */
export interface Piece {
  readonly bytes: Buffer;
  readonly request: RequestName | null;
}

export interface RequestReader {
  /** Takes what has arrived, gives what is whole by now, keeps the rest. */
  push(bytes: Buffer): readonly Piece[];
}

export type Protocol = () => RequestReader;
