// Where in a stretch of the log the phrases stand that mean something to us. Each phrase is searched for in the whole
// of it, by the part that begins with its rarest byte: noise is passed at the speed of memchr and never line by line.
// It says where a phrase stands, never what its line means.

/** `|` stands before the part that is searched for; what is before it is compared. */
const facts = ['] |Solved and confirmed block ', '] |Block '];
const users = '] |User ';
const notices = ['] |Submitting block data!', '] Pool:|{', '] |Stored local workbase'];

export interface PhraseSearch {
  /** Where the next `User ` message stands, from there on; the end when there is none. */
  user(from: number): number;
  /** The same of any other phrase, before `end`; `end` when there is none. Notices only when they are wanted. */
  other(from: number, end: number, with_notices: boolean): number;
}

export function searchPhrases(whole: Buffer): PhraseSearch {
  const user = searchFor(whole, users);
  const sure = facts.map((text) => searchFor(whole, text));
  const wanted = notices.map((text) => searchFor(whole, text));
  return {
    user: (from) => user(from, whole.length),
    other(from, end, with_notices) {
      let first = end;
      for (const next of sure) first = Math.min(first, next(from, end));
      if (with_notices) for (const next of wanted) first = Math.min(first, next(from, end));
      return first;
    },
  };
}

/** Places are asked for in rising order: what was found is kept until it is passed, and nothing is searched twice. */
function searchFor(whole: Buffer, phrase: string): (from: number, end: number) => number {
  const [before, needle] = phrase.split('|').map((text) => Buffer.from(text)) as [Buffer, Buffer];
  // One byte is searched for several times faster as a number.
  const needle_value = needle.length === 1 ? needle[0]! : needle;
  let at = -1;
  /** Between `at` and here it does not stand. */
  let searched = 0;
  return (from, end) => {
    if (at >= from) return at;
    if (searched >= end) return end;
    const part = end === whole.length ? whole : whole.subarray(0, end + phrase.length);
    for (let found = Math.max(from, searched) + before.length; ; found += 1) {
      found = part.indexOf(needle_value, found);
      if (found < 0) {
        searched = end;
        return end;
      }
      if (!stands(whole, before, found - before.length)) continue;
      at = found - before.length;
      searched = at;
      return at;
    }
  };
}

function stands(whole: Buffer, text: Buffer, at: number): boolean {
  for (let index = 0; index < text.length; index++) if (whole[at + index] !== text[index]) return false;
  return true;
}
