// From damaged lines and damaged user files to counts, through all that is pure: whatever they say, a count never
// falls, a difference is never negative, and what the snapshots hold and what they do not yet are the whole.
import fc from 'fast-check';
import { scanLog } from '../../../accounting/core/log-line.js';
import { planReading, type LogFile, type StoredCursor, fingerprintOf } from '../../../accounting/core/log-files.js';
import type { Reading } from '../../../accounting/core/counter-lines.js';
import { applyStretch, type StretchLine, type StretchState, type UserCount } from '../../../accounting/core/stretch.js';
import { parseUserFile } from '../../../accounting/core/user-file.js';
import { logPosition } from '../../../shared/units.js';
import type { NameBytes } from '../../../shared/username.js';
import type { Corpus } from '../corpus.js';
import { damaged, damagedLines } from '../mutator.js';
import { must, mustEqual, target, type Target } from '../target.js';

export function countingTargets({ log_lines, user_files }: Corpus): readonly Target[] {
  // Lines that count and lines that cut, so that nearly every input does something.
  const telling = log_lines.filter((line) => line.includes('] User ') || line.includes('Solved') || line.includes('] Block '));
  const pass = fc.record({
    log: damagedLines(telling, 8), files: fc.array(damaged(user_files), { minLength: 1, maxLength: 4 }), absent: fc.nat(7), known: fc.nat(3),
  });
  return [
    target('counting', 'Whatever lines and files say, no count falls, no difference is negative, none is lost.',
      fc.array(pass, { minLength: 1, maxLength: 4 }), checkCounting),
    target('log-plan', 'Whatever files a directory holds, each is read at most once, and nothing is called lost that is there.',
      fc.tuple(fc.array(anyFile, { maxLength: 6 }), fc.array(anyCursor, { maxLength: 3 })), checkPlan),
  ];
}

interface Pass {
  readonly log: Buffer;
  readonly files: readonly Buffer[];
  readonly absent: number;
  readonly known: number;
}

function checkCounting(passes: readonly Pass[]): void {
  let state: StretchState = { users: new Map(), risen: new Set(), login_seen: false, notice_seen: false };
  const cut = new Map<NameBytes, bigint>();
  let start = 0n;
  for (const { log, files, absent, known } of passes) {
    const { lines, consumed } = scanLog(log);
    const stretch = lines.map((line): StretchLine => ({ ...line, position: logPosition(start + BigInt(line.offset)) }));
    start += BigInt(consumed);
    const outcome = applyStretch(state, {
      lines: stretch, readings: readingsOf(stretch, state, files, absent, known), reading_position: logPosition(start), sampled: false,
    });
    for (const { rows } of outcome.snapshots) for (const { user, difference, disputed_difference, share_count } of rows) {
      must(difference >= 0n && disputed_difference >= 0n && disputed_difference <= difference, 'a difference is not negative, disputed at most whole');
      cut.set(user, (cut.get(user) ?? 0n) + difference);
      mustEqual(cut.get(user), share_count, `the differences of ${user} are the count`);
    }
    const users = new Map(state.users);
    for (const after of outcome.changed) {
      checkUser(users.get(after.name), after);
      users.set(after.name, after);
    }
    for (const { name, ledger_count, snapshot_count } of users.values()) {
      mustEqual(cut.get(name) ?? 0n, snapshot_count, `what the snapshots hold of ${name}`);
      must(ledger_count >= snapshot_count, 'no snapshot holds more than there is');
    }
    must(outcome.incidents.length <= 4 * (users.size + 1), 'a flood of lines is few incidents');
    state = { ...outcome, users };
  }
}

function checkUser(before: UserCount | undefined, after: UserCount): void {
  must(after.ledger_count >= (before?.ledger_count ?? 0n), 'a ledger count never falls');
  must(after.counter >= 0n && after.disputed_count >= 0n, 'nothing is negative');
  must(after.disputed_count <= after.ledger_count - after.snapshot_count, 'no more is disputed than is open');
}

/** A file for most of the users that are named or known; the others have none, or one that cannot be read. */
function readingsOf(
  lines: readonly StretchLine[], { users }: StretchState, files: readonly Buffer[], absent: number, known: number,
): Map<NameBytes, Reading> {
  const names = new Set(lines.flatMap((line) => (line.kind === 'shares' ? [line.user] : [])));
  for (const name of [...users.keys()].slice(0, known)) names.add(name);
  return new Map([...names].map((name, index): [NameBytes, Reading] => {
    if (index % 8 === absent) return [name, { absent: true }];
    const read = parseUserFile(files[index % files.length]!);
    return [name, 'fault' in read ? { unreadable: read.fault } : read];
  }));
}

const heads = ['', '\n', '[2026-11-20 09:32:15.378] a\n', '[2026-11-20 09:32:15.378] a\nb', '[2026-11-20 09:40:00.000] c\n', 'x'.repeat(40)];
const anyHead = fc.constantFrom(...heads).map((text) => Buffer.from(text));
const anyFile: fc.Arbitrary<LogFile> = fc.record({
  path: fc.constantFrom('/l/ckpool.log', '/l/ckpool.log.1', '/l/ckpool.log.2.gz'), live: fc.boolean(), compressed: fc.boolean(), device: fc.constantFrom('1', '2'),
  inode: fc.constantFrom('7', '8', '9'), size: fc.bigInt(0n, 200n), mtime_ms: fc.nat(9), quiet: fc.boolean(), head: anyHead,
  first_stamp: fc.constantFrom(null, '2026-11-20 09:32:15.378', '2026-11-20 09:40:00.000'), has_whole_line: fc.boolean(),
});
const anyCursor: fc.Arbitrary<StoredCursor> = fc.tuple(fc.record({
  sequence: fc.nat(5), path: fc.constant('/l/ckpool.log'), device: fc.constantFrom('1', '2'), inode: fc.constantFrom('7', '8', '9'),
  log_start: fc.bigInt(0n, 500n), file_offset: fc.bigInt(0n, 200n), state: fc.constantFrom('current' as const, 'finished' as const),
}), anyHead).map(([cursor, head]) => ({ ...cursor, fingerprint_length: head.length, fingerprint: fingerprintOf(head, head.length) }));

function checkPlan([files, cursors]: [LogFile[], StoredCursor[]]): void {
  const { files: planned, gap } = planReading(files, cursors);
  mustEqual(new Set(planned.map(({ file }) => file)).size, planned.length, 'each file once');
  must(planned.every(({ file }) => files.includes(file)), 'only files that are there');
  must(planned.slice(1).every(({ continues, from }) => !continues && from === 0n), 'only the first may go on from before');
  must(gap === null || /\.$/.test(gap), 'a loss is told in a sentence');
  must(gap === null || cursors.length > 0, 'nothing is lost before anything was read');
  const first = planned[0];
  if (first?.continues) {
    must(gap === null, 'a log that goes on lost nothing');
    must(first.file.compressed || (first.from !== 'end' && first.from <= first.file.size), 'no reading begins behind the end of a file');
  }
}
