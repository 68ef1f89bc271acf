// Values as text: amounts, names, and what of the outside is shown on a terminal.
import fc from 'fast-check';
import { isUserName } from '../../../accounting/core/log-line.js';
import { addressText } from '../../../payments/core/payout-address.js';
import { formatCoins, parseCoins } from '../../../shared/amount.js';
import { shown } from '../../../shared/bitcoind/errors.js';
import { satoshis } from '../../../shared/units.js';
import {
  nameFromBuffer, nameToBuffer, parsePrintable, printable, userOfWorker, type NameBytes,
} from '../../../shared/username.js';
import { hostile_names } from '../../hostile-names.js';
import type { Corpus } from '../corpus.js';
import { damaged } from '../mutator.js';
import { must, mustEqual, target, withinTime, type Target } from '../target.js';

const amounts = ['0', '47.75000000', '-0.00000001', '1e-8', '1E-7', '21000000', '999999999999.99999999', '0.001'].map((text) => Buffer.from(text));
const names = hostile_names.map(({ name }) => nameToBuffer(name));

export const valueTargets = ({ user_files }: Corpus): readonly Target[] => [
  target('amount', 'Text or a number is an amount to the satoshi, or is refused.', damaged(amounts), checkAmount),
  target('name', 'Any bytes of a name come back from what is shown of them, and two names stay two.',
    fc.tuple(damaged(names), damaged(names)), ([one, other]) => checkNames(nameFromBuffer(one), nameFromBuffer(other))),
  target('printable', 'Text that is no shown name is refused, however long.', damaged([...names, ...user_files]), checkPrintable),
];

function checkAmount(bytes: Buffer): void {
  const text = bytes.toString('latin1');
  for (const value of [text, Number(text)]) {
    let amount: bigint;
    try {
      amount = withinTime(200, () => parseCoins(value));
    } catch (error) {
      must(error instanceof RangeError && error.message.includes('8 decimals'), `refused with ${String(error)}`);
      continue;
    }
    mustEqual(parseCoins(formatCoins(satoshis(amount))), amount, 'there and back');
    const plain = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value));
    if (!plain) continue;
    const [, sign, whole = '', fraction = ''] = plain;
    const exact = BigInt(whole + fraction.padEnd(8, '0'));
    mustEqual(amount, sign === '-' ? -exact : exact, 'the digits');
  }
}

function checkNames(one: NameBytes, other: NameBytes): void {
  const [first, second] = [printable(one), printable(other)];
  must(/^[!-~]*$/.test(first), 'nothing but printable ASCII is shown');
  mustEqual(parsePrintable(first), one, 'the name comes back');
  mustEqual(first === second, one === other, 'two names are two');
  const user = userOfWorker(one);
  mustEqual(userOfWorker(user), user, 'the user of a user');
  must(/^$|[/\0]/.test(user) || isUserName(user), 'a user is one that ckpool could have made');
  must(user.length <= 127 && nameToBuffer(user).length === user.length, 'a user is at most 127 bytes');
  const address = addressText(one);
  must(address === null || /^[!-~]*$/.test(address), 'the node is asked about plain text alone');
  must(/^[ -~]{0,200}$/.test(shown(one)), 'what is shown of an answer is one short line');
}

function checkPrintable(bytes: Buffer): void {
  const text = bytes.toString('latin1');
  const name = withinTime(200, () => parsePrintable(text));
  const sound = text.replace(/\\x[0-9a-f]{2}/g, '');
  mustEqual(name !== null, [...sound].every((one) => one > ' ' && one < '\x7f' && one !== '\\'), 'whether it is a shown name');
  if (name !== null) mustEqual(parsePrintable(printable(name)), name, 'the name');
}
