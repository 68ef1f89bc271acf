// The four output scripts that payments pays to, with what each costs: dust limits and sizes. Anything else
// (unknown witness versions above all, which obtc-core 0.20 accepts as valid although anyone may spend them)
// is no kind here and is never paid.
import { satoshis, type Satoshis } from '../../shared/units.js';

export type OutputKind = 'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh';

const patterns: readonly (readonly [OutputKind, RegExp])[] = [
  ['p2pkh', /^76a914[0-9a-f]{40}88ac$/],
  ['p2sh', /^a914[0-9a-f]{40}87$/],
  ['p2wpkh', /^0014[0-9a-f]{40}$/],
  ['p2wsh', /^0020[0-9a-f]{64}$/],
];

/** The kind of a scriptPubKey in lower-case hex; null for every form that payments does not pay to. */
export function outputKind(script: string): OutputKind | null {
  return patterns.find(([, pattern]) => pattern.test(script))?.[0] ?? null;
}

const dust_sats: Record<OutputKind, Satoshis> = {
  p2pkh: satoshis(546n),
  p2sh: satoshis(540n),
  p2wpkh: satoshis(294n),
  p2wsh: satoshis(330n),
};

/** The least amount that nodes relay to this script, at their dust rate of 3000 satoshis per 1000 bytes. */
export function dustLimit(script: string): Satoshis {
  return dust_sats[knownKind(script)];
}

/** Weight of one output: amount, script length, script; none of it is witness. */
export function outputWeight(script: string): bigint {
  return 4n * (8n + 1n + BigInt(script.length / 2));
}

// 36 bytes outpoint, 4 bytes sequence and the script length count fourfold, witness bytes once. Signatures
// are counted at their largest (72 bytes), so that a signed transaction is never larger than its estimate.
// p2sh is taken for a wrapped p2wpkh and p2wsh for 2 of 3 signatures; a pool address with a larger script
// pays a lower rate than planned, and `transaction-check` refuses it if that falls below the relay rate.
const input_weights: Record<OutputKind, bigint> = {
  p2pkh: 4n * (36n + 4n + 1n + 107n) + 1n,
  p2sh: 4n * (36n + 4n + 1n + 23n) + 108n,
  p2wpkh: 4n * (36n + 4n + 1n) + 108n,
  p2wsh: 4n * (36n + 4n + 1n) + 254n,
};

/** Version, lock time, segwit marker, and both counts at their longest below 65,536. */
const frame_weight = 4n * (4n + 4n + 3n + 3n) + 2n;

/** What nodes relay is below 400,000; a tenth of that stays free. */
export const weight_max = 360_000n;

/** The most that a transaction spending `inputs` coins of the pool's script to these scripts can weigh. */
export function transactionWeight(pool_script: string, inputs: number, outputs: readonly string[]): bigint {
  const spent = BigInt(inputs) * input_weights[knownKind(pool_script)];
  return outputs.reduce((sum, script) => sum + outputWeight(script), frame_weight + spent);
}

/** Virtual bytes of a weight, rounded up. */
export const virtualSize = (weight: bigint): bigint => (weight + 3n) / 4n;

function knownKind(script: string): OutputKind {
  const kind = outputKind(script);
  if (kind === null) {
    throw new RangeError(`not a script that payments can pay to or spend from: ${script.slice(0, 80)}`);
  }
  return kind;
}
