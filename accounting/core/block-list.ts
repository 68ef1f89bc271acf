// The order in which blocks are listed: that of their lines in the log; a block without a line stands
// after the block below it.

export interface ListedBlock {
  readonly height: number;
  /** null: no line in the log. */
  readonly log_position: bigint | null;
  /** null: a line that no block of the node belongs to. */
  readonly hash: string | null;
}

export function inLogOrder<T extends ListedBlock>(blocks: readonly T[]): T[] {
  const listed = blocks
    .filter((block) => block.log_position !== null)
    .sort((a, b) => (a.log_position! < b.log_position! ? -1 : 1));
  const lineless = blocks
    .filter((block) => block.log_position === null)
    .sort((a, b) => a.height - b.height || (a.hash! < b.hash! ? -1 : 1));
  for (const block of lineless) listed.splice(placeAfterBelow(listed, block.height), 0, block);
  return listed;
}

/** Behind the last known block of the greatest height below; the first place when there is none. */
function placeAfterBelow(listed: readonly ListedBlock[], height: number): number {
  let place = 0;
  let below = -1;
  listed.forEach((block, index) => {
    const sameLineless = block.height === height && block.log_position === null;
    if (block.hash === null || (block.height >= height && !sameLineless)) return;
    if (block.height < below) return;
    below = block.height;
    place = index + 1;
  });
  return place;
}
