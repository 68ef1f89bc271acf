// Finds a nonce in share logs without parsing lines. ckpool writes a share's nonces as the miner sent them,
// nearly always in lower case: then the search is for one exact text, as fast as memory. Otherwise every nonce
// in the bytes is compared with regard to its value (1 GB/s).
const key = Buffer.from('"nonce": "');
const nonce_digits = 8;

const digits = (value: number): string => value.toString(16).padStart(8, '0');

/** The two fields as ckpool writes them side by side. */
export const nonceText = ({ nonce, time_seconds }: { nonce: number; time_seconds: number }): Buffer =>
  Buffer.from(`"nonce": "${digits(nonce)}", "ntime": "${digits(time_seconds)}"`);

/** Where a nonce of that value stands, with capitals or without. */
export function* placesOfNonce(bytes: Buffer, nonce: number): Generator<number> {
  const wanted = Buffer.from(digits(nonce));
  for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + key.length)) {
    if (isSpelled(bytes, at + key.length, wanted)) yield at;
  }
}

/** Setting the bit that capitals lack makes them small; what else it alters is left to the parser to refuse. */
function isSpelled(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let digit = 0; digit < nonce_digits; digit++) {
    if ((bytes[at + digit]! | 0x20) !== wanted[digit]) return false;
  }
  return true;
}
