import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readRecording, type RecordedBlock } from '../../lab/recorded-chain.js';
import { unpackRecording, type Recording } from '../../lab/recordings.js';
import { systemClock } from '../../shared/clock.js';
import { comparePlaces, type SharePlace } from '../core/share-order.js';
import { createShareTally } from '../core/share-tally.js';
import { openShareLogs, type ShareLogs } from './share-log-files.js';
import { findSolvingShare, solves, tallyFiles, type BlockWitness } from './share-log-search.js';

const everything = async (logs: ShareLogs, height: number): Promise<Map<string, number>> =>
  new Map((await logs.filesOf(height)).map(({ workinfoid, size }) => [workinfoid, size]));

describe('the blocks of the recording', () => {
  let recording: Recording;
  let blocks: ReadonlyMap<string, RecordedBlock>;
  let logs: ShareLogs;
  beforeAll(async () => {
    recording = await unpackRecording('busy');
    blocks = readRecording(recording.chain_directory).blocks;
    logs = openShareLogs({ log_directory: recording.log_directory, clock: systemClock });
  });
  afterAll(async () => {
    logs.close();
    await recording.remove();
  });

  const witnessOf = (hash: string): BlockWitness => {
    const block = blocks.get(hash) as unknown as {
      nonce: number; time: number; tx: { vin: { coinbase: string }[] }[];
    };
    return { nonce: block.nonce, time_seconds: block.time, coinbase_script: block.tx[0]!.vin[0]!.coinbase };
  };

  async function findAll(): Promise<{ file: string; createdate: string; worker: string; accepted: boolean }[]> {
    const found = [];
    for (const { height, hash } of recording.truth.solves) {
      const share = await findSolvingShare(logs, height, witnessOf(hash), await everything(logs, height));
      const { place } = share!;
      found.push({
        file: `${place.height.toString(16).padStart(8, '0')}/${place.workinfoid}.sharelog`,
        createdate: `${place.seconds},${place.nanoseconds}`,
        worker: share!.worker,
        accepted: share!.accepted,
      });
    }
    return found;
  }

  it('each name their solving share: 42 of 42, with worker, file and moment, ckpool.log unread', async () => {
    const truth = recording.truth.solves.map(({ solving_share }) => solving_share);
    expect(truth).toHaveLength(42);
    expect(await findAll()).toEqual(truth);
    expect(truth.every(({ worker }, solve) => worker === recording.truth.solves[solve]!.worker)).toBe(true);
  });

  it('divide the work exactly: every user has what the truth says up to each solving share', async () => {
    const files = (await logs.survey(async () => new Map(), true))
      .map(({ height, workinfoid, size }) => ({ height, workinfoid, until: size }));
    const shares = [];
    for (const { height, hash, users } of recording.truth.solves) {
      const found = await findSolvingShare(logs, height, witnessOf(hash), await everything(logs, height));
      shares.push({ place: found!.place, users });
    }
    shares.sort((one, other) => comparePlaces(one.place, other.place));
    const tally = await tallyFiles(logs, files, shares.map(({ place }) => place));
    const sums = new Map<string, bigint>();
    for (const [cut, { users }] of shares.entries()) {
      for (const [user, work] of tally.work(cut)) sums.set(user, (sums.get(user) ?? 0n) + work);
      const truth = Object.entries(users)
        .map(([user, { accepted_difficulty_to_solving_share: work }]) => [user, BigInt(work) * 10n ** 18n] as const);
      for (const [user, work] of truth) expect([user, sums.get(user) ?? 0n]).toEqual([user, work]);
    }
  });

  it('are not found in lines that were not read yet, nor at another height', async () => {
    const { height, hash } = recording.truth.solves[0]!;
    const witness = witnessOf(hash);
    const { place } = (await findSolvingShare(logs, height, witness, await everything(logs, height)))!;
    const file = (await logs.file(height, place.workinfoid))!;
    const line_end = readFileSync(file.path).indexOf('\n', place.offset) + 1;
    const upTo = (bytes: number) =>
      findSolvingShare(logs, height, witness, new Map([[place.workinfoid, bytes]]));
    expect(await upTo(line_end - 1)).toBeNull();
    expect(await upTo(0)).toBeNull();
    expect((await upTo(line_end))?.place).toEqual(place);
    const after = (bytes: number) => findSolvingShare(logs, height, witness,
      new Map([[place.workinfoid, line_end]]), new Map([[place.workinfoid, bytes]]));
    expect((await after(place.offset))?.place).toEqual(place);
    expect(await after(line_end)).toBeNull();
    expect(await findSolvingShare(logs, height, witness, new Map())).toBeNull();
    expect(await findSolvingShare(logs, height + 1, witness, await everything(logs, height + 1))).toBeNull();
    expect(await findSolvingShare(logs, 7, witness, new Map())).toBeNull();
  });

  it('are found and summed as well when the share logs are compressed', async () => {
    const plain = await findAll();
    const files = (await logs.survey(async () => new Map(), true))
      .map(({ height, workinfoid, size }) => ({ height, workinfoid, until: size }));
    const work = (await tallyFiles(logs, files, [])).work(0);
    for (const { height } of files) compress(path.join(recording.log_directory, height.toString(16).padStart(8, '0')));
    expect((await logs.filesOf(files[0]!.height))[0]!.compressed).toBe(true);
    expect(await findAll()).toEqual(plain);
    expect((await tallyFiles(logs, files, [])).work(0)).toEqual(work);
    expect(logs.complaints()).toEqual([]);
  });

  function compress(directory: string): void {
    for (const name of readdirSync(directory)) {
      const file = path.join(directory, name);
      if (!name.endsWith('.sharelog')) continue;
      writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
      unlinkSync(file);
    }
  }
});

describe('the solving share', () => {
  let directory: string;
  let logs: ShareLogs;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'sharelogs-'));
    mkdirSync(path.join(directory, '0000007a'));
    logs = openShareLogs({ log_directory: directory, clock: systemClock });
  });
  afterEach(() => {
    logs.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const witness: BlockWitness = {
    nonce: 0x1fd08067, time_seconds: 0x6b001140,
    coinbase_script: '017a0004401100 6b04aabbccdd0c 0f11006bf90c92c79b190000 0a636b706f6f6c'.replaceAll(' ', ''),
  };
  const line = (fields: Record<string, unknown> = {}): string => JSON.stringify({
    workinfoid: 1, clientid: 4, enonce1: '0f11006b', nonce2: 'f90c92c79b190000', nonce: '1fd08067',
    ntime: '6b001140', diff: 8.5, sdiff: 1763.1, hash: 'ab'.repeat(32), result: true, errn: 0,
    createdate: '1795166528,7', createby: 'code', createcode: 'parse_submit', createinet: '127.0.0.1:3390',
    workername: 'alice.rig', username: 'alice', address: '127.0.0.1', agent: 'miner/1.0', ...fields,
  }).replace(/":/g, '": ').replace(/,"/g, ', "');
  const other = (moment = 1): string => line({ nonce: '00000001', createdate: `1795166520,${moment}`, workername: 'bob' });
  const fileOf = (workinfoid: string): string => path.join(directory, '0000007a', `${workinfoid}.sharelog`);
  const find = async (...files: string[]) => {
    files.forEach((content, index) => writeFileSync(fileOf(`6b00110b0000000${index}`), content));
    return findSolvingShare(logs, 122, witness, await everything(logs, 122));
  };

  it('is the one whose nonces and time stand in the block', async () => {
    expect(await find(`${other()}\n${line()}\n`)).toEqual({
      place: {
        seconds: 1795166528, nanoseconds: 7, height: 122, workinfoid: '6b00110b00000000', offset: other().length + 1,
      },
      worker: 'alice.rig', user: 'alice', accepted: true,
    });
  });

  it('is never one that agrees in part', async () => {
    for (const fields of [
      { nonce: '1fd08068' }, { ntime: '6b001141' }, { enonce1: '0f11006c' }, { nonce2: 'f90c92c79b190001' },
      { enonce1: '' }, { nonce2: '' }, { enonce1: '0f1100', nonce2: '6bf90c92c79b19000' },
      // These digits stand in the script, but begin in the middle of a byte.
      { enonce1: 'f11006bf', nonce2: '90c92c79b190' },
      { enonce1: '0f', nonce2: '11' },
    ]) {
      expect([fields, await find(`${line(fields)}\n`)]).toEqual([fields, null]);
    }
  });

  it('is never known by its hash', async () => {
    const hash = '0ab979a5a5f6ba04e66b82e2730c144c79ff38dc83f6371778fcff9d88d48dfa';
    expect(await find(`${line({ hash, nonce: '00000002' })}\n`)).toBeNull();
    expect(await find(`${line({ hash: 'no hash at all' })}\n`)).not.toBeNull();
  });

  it('is found where ckpool rejected it', async () => {
    expect(await find(`${line({ result: false, 'reject-reason': 'Stale' })}\n`)).toMatchObject({ accepted: false });
  });

  it('is the first of several: handed in again it is a duplicate, and comes later', async () => {
    const again = line({ createdate: '1795166528,80', result: false, 'reject-reason': 'Duplicate' });
    const early = line({ createdate: '1795166528,0' });
    expect((await find(`${again}\n${line()}\n`))?.place.nanoseconds).toBe(7);
    expect((await find(`${again}\n${line()}\n`, `${early}\n`))?.place).toMatchObject({
      nanoseconds: 0, workinfoid: '6b00110b00000001',
    });
  });

  it('is found with capitals, and with more digits than ckpool needs', async () => {
    for (const fields of [
      { nonce: '1FD08067' }, { nonce: '1Fd08067', nonce2: 'F90C92C79B190000' }, { ntime: '6B001140' },
      { nonce: '1fd0806700000000' }, { ntime: '006b001140' },
    ]) {
      expect(await find(`${other()}\n${line(fields)}\n`)).toMatchObject({ worker: 'alice.rig' });
    }
  });

  it('cannot be forged by a name, a miner program or a reason that holds its text', async () => {
    const forged = `x", "nonce": "1fd08067", "ntime": "6b001140", "enonce1": "0f11006b"}\n${line()}\n`;
    for (const field of ['workername', 'username', 'agent', 'reject-reason', 'address']) {
      expect(await find(`${line({ nonce: '00000002', [field]: forged })}\n${other()}\n`)).toBeNull();
    }
  });

  it('is found behind a torn line that it is glued to, at its own place', async () => {
    const torn = other().slice(0, 200);
    expect((await find(`${torn}${line()}\n`))?.place.offset).toBe(200);
    expect(await find(`${line().slice(0, 150)}${other()}\n`)).toBeNull();
    expect(await find(`${other()}\n${line()}`)).toBeNull();
  });

  it('is found wherever it lies in a file larger than a piece, and behind a line without end', async () => {
    const filler = `${other()}\n`.repeat(45_000);
    expect((await find(filler + `${line()}\n`))?.place.offset).toBe(filler.length);
    const endless = 'x'.repeat(40_000_000);
    expect((await find(`${endless}\n${line()}\n`))?.place.offset).toBe(endless.length + 1);
    expect(await find(`${endless}${line()}`)).toBeNull();
  });
});

describe('the work in share logs', () => {
  let directory: string;
  let logs: ShareLogs;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'sharelogs-'));
    mkdirSync(path.join(directory, '0000007a'));
    logs = openShareLogs({ log_directory: directory, clock: systemClock });
  });
  afterEach(() => {
    logs.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const share = (user: string, nanoseconds: number, diff = '8.0'): string =>
    `{"workinfoid": 1, "enonce1": "0f11006b", "nonce2": "00", "nonce": "00000000", "ntime": "6b001140", "diff": ${diff},`
    + ` "result": true, "createdate": "1795166528,${nanoseconds}", "workername": "${user}.1", "username": "${user}"}\n`;
  const put = (content: string): number => {
    writeFileSync(path.join(directory, '0000007a', '6b00110b00000001.sharelog'), content);
    return content.length;
  };
  const file = { height: 122, workinfoid: '6b00110b00000001' };

  it('is read up to the given byte and not a share further', async () => {
    const until = put(share('alice', 1) + share('bob', 2, '0.1'));
    put(share('alice', 1) + share('bob', 2, '0.1') + share('alice', 3));
    const cut: SharePlace = { ...file, seconds: 1795166528, nanoseconds: 1, offset: 0 };
    const tally = await tallyFiles(logs, [{ ...file, until }], [cut]);
    expect([...tally.work(0)]).toEqual([['alice', 8n * 10n ** 18n]]);
    expect([...tally.work(1)]).toEqual([['bob', 10n ** 17n]]);
  });

  it('of files of several pieces is the same as that of the whole', async () => {
    const content = share('alice', 1).repeat(100_000);
    expect(content.length).toBeGreaterThan(16_777_216);
    const until = put(content);
    const tally = await tallyFiles(logs, [{ ...file, until }], []);
    const whole = createShareTally();
    whole.take(Buffer.from(content), file, 0);
    expect(tally.work(0)).toEqual(whole.work(0));
    expect(tally.work(0).get('alice' as never)).toBe(800_000n * 10n ** 18n);
  });

  it('is refused in a sentence when a file that was counted is gone or shorter, never summed without it', async () => {
    const until = put(share('alice', 1));
    await expect(tallyFiles(logs, [{ ...file, until: until + 1 }], [])).rejects
      .toThrow(/0000007a\/6b00110b00000001.sharelog \(key "logdir"\) ends after \d+ bytes, but \d+ bytes of it/);
    unlinkSync(path.join(directory, '0000007a', '6b00110b00000001.sharelog'));
    await expect(tallyFiles(logs, [{ ...file, until }], [])).rejects.toMatchObject({
      name: 'OutsideFailure', kind: 'refused', code: 'ENOENT', message: expect.stringMatching(/is gone, but .* put it back/),
    });
    expect(statSync(directory).isDirectory()).toBe(true);
  });
});

describe('a share and a block', () => {
  it('match by value, whatever the spelling of their hex digits', () => {
    const block = { nonce: 0xffffffff, time_seconds: 1, coinbase_script: '00AABBCCDDEEFF' };
    const given = { enonce1: 'aabb', nonce2: 'CCDD', nonce: 'FFFFFFFF', ntime: '00000001' };
    expect(solves(given, block)).toBe(true);
    expect(solves({ ...given, nonce: '0xffffff' }, block)).toBe(false);
    expect(solves({ ...given, nonce2: 'ccde' }, block)).toBe(false);
    expect(solves({ ...given, enonce1: '', nonce2: 'aabbccdd' }, block)).toBe(false);
    expect(solves({ ...given, enonce1: '0aab', nonce2: 'bccd' }, block)).toBe(false);
  });
});
