// Which lines a pool at log level 4 (WARNING) would not have printed.

/** Beginnings of the texts that ckpool prints at level 5 (NOTICE). */
const notice_texts = [
  'Submitting block data!',
  'Block hash changed to ',
  'Stored local workbase',
  'Pool:',
  'Added new user ',
  'Authorised client ',
  'Dropped client ',
  'Setting maxclients ',
  'Server alive: ',
  'JSON response to ',
];
const stamp_length = '[2026-11-20 09:22:01.823] '.length;

/** The User line of a pass carries shares; the one at a solve does not, and is a WARNING. */
export function printedAtLevel4(line: string): boolean {
  const text = line.slice(stamp_length);
  if (/^User .*"shares": /.test(text)) return false;
  return !notice_texts.some((beginning) => text.startsWith(beginning));
}
