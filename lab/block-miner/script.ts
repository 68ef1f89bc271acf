// The scriptSig of a coinbase: the height first, as consensus wants it, then what the pool writes. The order
// and the sizes are those of the recorded blocks of a real ckpool.

export interface PoolMarks {
  readonly height: number;
  /** When the work was made, unix seconds. */
  readonly made_seconds: number;
  readonly made_nanoseconds: number;
  /** Of the client, 8 hex digits by default. */
  readonly enonce1: string;
  /** The miner's own counter, 16 hex digits by default. */
  readonly nonce2: string;
  /** ckpool's `btcsig`, up to 38 bytes. */
  readonly signature: string;
}

export const scriptHex = (...parts: readonly Buffer[]): string => Buffer.concat(parts).toString('hex');

/** A whole number as script pushes it: least bytes, little end first, never negative. */
export function pushNumber(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256);
  if ((bytes.at(-1) ?? 0) > 0x7f) bytes.push(0);
  return Buffer.from([bytes.length, ...bytes]);
}

/** Heights up to 16 have an opcode each. */
export const pushHeight = (height: number): Buffer =>
  (height <= 16 ? Buffer.from([height === 0 ? 0 : 0x50 + height]) : pushNumber(height));

/**
 * As ckpool writes it: height, no flags, time, nanoseconds, both extra nonces in one push, "ckpool", signature.
 * @throws RangeError when it would be longer than the 100 bytes that consensus allows.
 */
export function poolCoinbaseScript(marks: PoolMarks): string {
  const time = Buffer.alloc(10);
  time.writeUInt8(4, 0);
  time.writeUInt32LE(marks.made_seconds, 1);
  time.writeUInt8(4, 5);
  time.writeUInt32LE(marks.made_nanoseconds, 6);
  const nonces = Buffer.from(marks.enonce1 + marks.nonce2, 'hex');
  const signature = Buffer.from(marks.signature, 'latin1');
  const script = scriptHex(
    pushHeight(marks.height), Buffer.from([0]), time,
    Buffer.from([nonces.length]), nonces, Buffer.from('\x0ackpool', 'latin1'),
    ...(signature.length === 0 ? [] : [Buffer.from([signature.length]), signature]),
  );
  if (script.length > 200) throw new RangeError('a coinbase script holds at most 100 bytes');
  return script;
}
