// Types for units: a number that means something has a type of its own, made only by its parser, so that a
// height cannot be passed where confirmations are meant and no satoshi becomes a float.

declare const unit: unique symbol;
type Unit<Base, Name extends string> = Base & { readonly [unit]: Name };

/** An amount of money in satoshis (1 coin = 10^8). May be negative: ledger entries are signed. */
export type Satoshis = Unit<bigint, 'satoshis'>;
/** Work weighted by difficulty, as ckpool's `shares` counts it. */
export type Shares = Unit<bigint, 'shares'>;
/** A block's height. */
export type BlockHeight = Unit<number, 'block height'>;
/** 64 lower-case hex digits. On oBTC this is the HeavyHash, never sha256d of the header. */
export type BlockHash = Unit<string, 'block hash'>;
/** 64 lower-case hex digits. */
export type TransactionId = Unit<string, 'transaction id'>;
/** Byte position in the whole log: all files in the order they were read, laid end to end. */
export type LogPosition = Unit<bigint, 'log position'>;
/**
 * The order in which work was cut: of two stretches of work the one with the higher place was cut later. Only
 * where no share log is read does it equal a log position. Never above 2^63 - 1.
 */
export type Place = Unit<bigint, 'place'>;

export const satoshis = (value: bigint): Satoshis => value as Satoshis;
export const shares = (value: bigint): Shares => value as Shares;
export const logPosition = (value: bigint): LogPosition => value as LogPosition;
export const place = (value: bigint): Place => value as Place;

const hash = /^[0-9a-f]{64}$/;

/** @throws RangeError unless the text is 64 lower-case hex digits. */
export function blockHash(text: string): BlockHash {
  if (!hash.test(text)) throw new RangeError(`not a block hash: ${JSON.stringify(text.slice(0, 80))}`);
  return text as BlockHash;
}

/** @throws RangeError unless the text is 64 lower-case hex digits. */
export function transactionId(text: string): TransactionId {
  if (!hash.test(text)) throw new RangeError(`not a transaction id: ${JSON.stringify(text.slice(0, 80))}`);
  return text as TransactionId;
}

/** Block heights are whole numbers from 0 to 2^31 - 1 (ckpool prints a C int). */
export function isBlockHeight(value: number): value is BlockHeight {
  return Number.isInteger(value) && value >= 0 && value <= 0x7fffffff;
}

/** @throws RangeError when the value is not a height. */
export function blockHeight(value: number): BlockHeight {
  if (!isBlockHeight(value)) throw new RangeError(`not a block height: ${value}`);
  return value;
}
