// The run that nobody disturbs: it counts the requests of each stage, keeps a copy of both servers as they are before
// each, and is judged like any other. The facts that it ends with are those that a disturbed run must end with.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '../../shared/database/connect.js';
import { migrate } from '../../shared/database/migrate.js';
import { splitStatements } from '../../shared/database/statements.js';
import { startMariadb, type PrivateMariadb } from '../mariadb.js';
import { startRegtestNode } from '../regtest-node.js';
import { readFacts, type Facts } from './facts.js';
import { labelsOf } from './labels.js';
import { makePast, type Past } from './past.js';
import { bothOrNone, openPlace, type Copied, type Place, type ServerName } from './place.js';
import { playInterlude, playStage, playToTheEnd, stages, type Course, type Stage } from './story.js';
import { judge } from './verdict.js';

export type Counted = Readonly<Record<ServerName, readonly string[]>>;

export interface Templates {
  readonly past: Past;
  /** As the servers were before the stage. */
  readonly before: Readonly<Record<Stage, Copied>>;
  /** The labels of the stage's requests in their order. */
  readonly requests: Readonly<Record<Stage, Counted>>;
  readonly facts: Facts;
  remove(): void;
}

/** @throws Error when the undisturbed run itself does not hold. */
export async function makeTemplates(): Promise<Templates> {
  const directory = mkdtempSync(join(tmpdir(), 'pool-kills-templates-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', remove);
  try {
    const { past, first } = await begin(directory);
    const before: Partial<Record<Stage, Copied>> = {};
    const requests: Partial<Record<Stage, Counted>> = {};
    let facts: Facts | null = null;
    let copied = first;
    for (const stage of stages) {
      before[stage] = copied;
      const place = await openPlace(past, copied);
      try {
        requests[stage] = await countStage(place, stage);
        if (stage === 3) facts = await finish(place);
        else copied = keep(await place.freeze(), join(directory, `before-${stage + 1}`));
      } finally {
        await place.close();
      }
    }
    return { past, before: before as Templates['before'], requests: requests as Templates['requests'], facts: facts!, remove };
  } catch (failure) {
    remove();
    throw failure;
  }
}

async function countStage(place: Place, stage: Stage): Promise<Counted> {
  const course: Course = { bad_ends: [] };
  await playStage(place, course, stage);
  const { mysql, rpc } = place.proxies;
  const counted = { mysql: labelsOf(mysql.seen), rpc: labelsOf(rpc.seen) };
  await playInterlude(place, course, stage);
  const [bad] = course.bad_ends;
  if (bad) throw new Error(`undisturbed, ${bad.name} ended with ${bad.status}:\n${bad.stderr}`);
  return counted;
}

async function finish(place: Place): Promise<Facts> {
  await playToTheEnd(place, { bad_ends: [] });
  const facts = await readFacts(place);
  const violations = await judge(place, facts);
  if (violations.length > 0) throw new Error(`the undisturbed run does not hold: ${violations.join('; ')}`);
  return facts;
}

function keep(frozen: Copied, directory: string): Copied {
  const kept = { mariadb: join(directory, 'mariadb'), node: join(directory, 'node') };
  cpSync(frozen.mariadb, kept.mariadb, { recursive: true, filter: (file) => !file.endsWith('/s') });
  cpSync(frozen.node, kept.node, { recursive: true });
  return kept;
}

/** The pool's past, and an empty database with the logins of grants.sql. */
async function begin(directory: string): Promise<{ past: Past; first: Copied }> {
  const [mariadb, node] = await bothOrNone(startMariadb(), startRegtestNode());
  try {
    await makeDatabase(mariadb);
    const past = await makePast(node, directory);
    await Promise.all([mariadb.shutDown(), node.shutDown()]);
    return { past, first: keep({ mariadb: mariadb.directory, node: node.directory }, join(directory, 'before-1')) };
  } finally {
    await Promise.all([mariadb.stop(), node.stop()]);
  }
}

async function makeDatabase(mariadb: PrivateMariadb): Promise<void> {
  const administrator = await connect(await mariadb.createDatabase('pool_base'));
  await migrate(administrator);
  // The daemons come over TCP here, through the proxy.
  const grants = readFileSync(grantsFile(), 'utf8').replace(/@@(\w+)_password@@/g, '$1-secret').replaceAll("'localhost'", "'127.0.0.1'");
  for (const statement of splitStatements(grants)) await administrator.knex.raw(statement);
  await administrator.close();
}

/** sql/ stands beside lab/ in the sources, and one higher when this is compiled. */
function grantsFile(): string {
  const [near, far] = ['../../', '../../../'].map((above) => fileURLToPath(new URL(`${above}sql/mysql/grants.sql`, import.meta.url)));
  return existsSync(near!) ? near! : far!;
}
