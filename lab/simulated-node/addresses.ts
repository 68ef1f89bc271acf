// Addresses of the simulated network. They look like the real kinds and have the real scripts, but carry
// their payload in plain hex, so that they can be read and no checksum is needed:
//   sim1q<40 hex> or sim1q<64 hex>   witness version 0 (also wholly in upper case, as bech32 allows)
//   sim1p<64 hex>                    witness version 1;  sim1z<64 hex>  version 2, which is not in use yet
//   Sm<40 hex>                       legacy;             S2<40 hex>     p2sh

export type SimulatedAddressType = 'bech32' | 'legacy' | 'p2sh-segwit' | 'witness-1' | 'witness-2';

interface Form {
  readonly type: SimulatedAddressType;
  readonly pattern: RegExp;
  readonly witness_version: number | null;
  readonly write: (payload: string) => string;
  readonly script: (payload: string) => string;
}

const length = (payload: string) => (payload.length / 2).toString(16).padStart(2, '0');

const forms: readonly Form[] = [
  { type: 'bech32', pattern: /^sim1q((?:[0-9a-f]{40}|[0-9a-f]{64}))$/, witness_version: 0,
    write: (payload) => `sim1q${payload}`, script: (payload) => `00${length(payload)}${payload}` },
  { type: 'witness-1', pattern: /^sim1p([0-9a-f]{64})$/, witness_version: 1,
    write: (payload) => `sim1p${payload.padEnd(64, '0')}`, script: (payload) => `5120${payload}` },
  { type: 'witness-2', pattern: /^sim1z([0-9a-f]{64})$/, witness_version: 2,
    write: (payload) => `sim1z${payload.padEnd(64, '0')}`, script: (payload) => `5220${payload}` },
  { type: 'legacy', pattern: /^Sm([0-9a-f]{40})$/, witness_version: null,
    write: (payload) => `Sm${payload}`, script: (payload) => `76a914${payload}88ac` },
  { type: 'p2sh-segwit', pattern: /^S2([0-9a-f]{40})$/, witness_version: null,
    write: (payload) => `S2${payload}`, script: (payload) => `a914${payload}87` },
];

/** null: not an address of this network. */
export function readAddress(address: string): { script: string; witness_version: number | null } | null {
  const text = /^SIM1[0-9A-Z]*$/.test(address) ? address.toLowerCase() : address;
  for (const { pattern, script, witness_version } of forms) {
    const payload = pattern.exec(text)?.[1];
    if (payload !== undefined) return { script: script(payload), witness_version };
  }
  return null;
}

/** The address number `number` of a type; the same number gives the same address. */
export function simulatedAddress(type: SimulatedAddressType, number: number): string {
  const form = forms.find((candidate) => candidate.type === type);
  if (!form) throw new RangeError(`no address type ${type}`);
  return form.write(number.toString(16).padStart(40, '0'));
}

/** The least amount that the network relays to a script, in satoshis, as in Bitcoin Core. */
export function dustLimit(script: string): bigint {
  if (script.startsWith('76a914')) return 546n;
  if (script.startsWith('a914')) return 540n;
  return script.startsWith('0014') ? 294n : 330n;
}
