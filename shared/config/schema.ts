// Every key that we read of ckpool.conf, with its rule and default. ckpool's own keys beyond these are none
// of our business; in our "parser" section an unknown key is a fault, at every level. The message of each
// check is the rule itself, as it completes "must be …".
import { z } from 'zod';
import { parseCoins } from '../amount.js';
import { blockHeight, isBlockHeight, satoshis, type Satoshis } from '../units.js';

const coins_max = satoshis(21_000_000n * 100_000_000n);

/** The first words of a rule tell the kind; the rest of it is what an operator needs to put it right. */
function text(rule = 'text in quotes, not empty') {
  // eslint-disable-next-line no-control-regex -- control bytes are exactly what has no place here.
  return z.string(rule).min(1, rule).regex(/^[^\x00-\x1f\x7f]*$/, `${rule}, without control characters`);
}

function wholeNumber(min: number, max: number, meaning: string) {
  const rule = `a whole number of ${meaning} from ${min} to ${max}, without quotes`;
  return z.number(rule).int(rule).min(min, rule).max(max, rule);
}

/** In the file seconds, as the replaced tool had them; here milliseconds. */
function period() {
  const rule = 'a number of seconds from 0.1 to 86400, without quotes';
  return z.number(rule).min(0.1, rule).max(86_400, rule).transform((seconds) => Math.round(seconds * 1000));
}

function amount(example: string) {
  const rule = `an amount in coin above 0 with at most 8 decimals, in quotes, such as "${example}"`;
  return z.string(rule).transform((value, context): Satoshis => {
    const parsed = coinsOrNull(value);
    if (parsed !== null && parsed > 0n && parsed <= coins_max) return parsed;
    context.addIssue({ code: 'custom', message: rule });
    return z.NEVER;
  });
}

function coinsOrNull(value: string): Satoshis | null {
  try {
    return parseCoins(value);
  } catch {
    return null;
  }
}

/**
 * "1.5" or 1.5 per cent is 15 000 ppm. A JSON number is taken by its shortest decimal text: no float maths.
 */
function percent() {
  const rule = 'a percentage from 0 to 100 with at most 4 decimals, such as 1.5 or "1.5"';
  return z.union([z.number(), z.string()], rule).transform((value, context): bigint => {
    const match = /^(\d{1,3})(?:\.(\d{1,4}))?$/.exec(String(value));
    const ppm = match ? BigInt(`${match[1]}${(match[2] ?? '').padEnd(4, '0')}`) : -1n;
    if (ppm >= 0n && ppm <= 1_000_000n) return ppm;
    context.addIssue({ code: 'custom', message: rule });
    return z.NEVER;
  });
}

function height() {
  const rule = 'a block height: a whole number from 0 to 2147483647, without quotes';
  return z.number(rule).refine(isBlockHeight, rule).transform(blockHeight);
}

/** ckpool writes `127.0.0.1:8332`, without a scheme; the result has one. */
function nodeUrl() {
  const rule = 'host:port of the node, such as "127.0.0.1:8332", without login or path';
  return z.string(rule).transform((value, context): string => {
    const given = /^https?:\/\//i.test(value) ? value : `http://${value}`;
    const url = URL.canParse(given) && !/[\s\\]/.test(value) ? new URL(given) : null;
    const plain =
      url && url.username === '' && url.password === '' && url.pathname === '/' && !/[?#@]/.test(given);
    if (url && plain) return url.origin;
    context.addIssue({ code: 'custom', message: rule });
    return z.NEVER;
  });
}

const password = z.string('text in quotes');

const sql = {
  auth: text('the login of the database, in quotes').max(80, 'a login of at most 80 characters').optional(),
  pass: password.optional(),
  host: text('the host of the database, in quotes').optional(),
  port: wholeNumber(1, 65_535, 'a TCP port').optional(),
  socket: text('the path of a socket, in quotes').optional(),
  database: z
    .string('the name of a database, in quotes')
    .regex(/^[0-9A-Za-z_$-]{1,64}$/, 'the name of a database: at most 64 letters, digits, _, $ or -')
    .optional(),
  file: text('the path of an SQLite file, in quotes').optional(),
};

const btcd = {
  url: nodeUrl(),
  auth: text('the RPC login of the node, in quotes'),
  pass: password.optional(),
};
/** ckpool's own key in the same place, for who copies the object. */
const notify = z.unknown().optional();

/** Keys too many have a sentence of their own (fault.ts). */
const objectRule = 'a JSON object in { }';
export const sqlSchema = z.strictObject(sql, { error: objectRule });
const paymentsNodeSchema = z.strictObject(
  { url: btcd.url.optional(), auth: btcd.auth.optional(), pass: btcd.pass, notify },
  { error: objectRule },
);
export const paymentsSchema = z.strictObject(
  { sql: sqlSchema.optional(), btcd: paymentsNodeSchema.optional() },
  { error: objectRule },
);

export const parserSchema = z.strictObject(
  {
    sql: sqlSchema.optional(),
    maturity: wholeNumber(1, 1_000_000, 'blocks').default(100),
    checkmature_period: period().default(120_000),
    checklogs_period: period().default(20_000),
    scheme: z.enum(['prop'], '"prop", the only payout scheme so far').default('prop'),
    pool_fee_percent: percent().default(0n),
    min_payout: amount('0.001').default(satoshis(100_000n)),
    network_fee: z.enum(['miners', 'pool'], '"miners" or "pool": who pays the network fee').default('miners'),
    max_fee_rate: amount('0.001').nullable().default(satoshis(100_000n)),
    fallback_fee_rate: amount('0.00001').default(satoshis(1_000n)),
    max_outputs_per_transaction: wholeNumber(1, 2_000, 'outputs').default(500),
    payout_confirmations: wholeNumber(1, 10_000, 'confirmations').default(6),
    wallet: z
      .string('the name of a wallet of the node, in quotes')
      // eslint-disable-next-line no-control-regex -- see text().
      .regex(/^[^\x00-\x1f\x7f]*$/, 'the name of a wallet, without control characters')
      .optional(),
    logfile: text("the path of ckpool's log, in quotes").optional(),
    scan_from_height: height().optional(),
    share_source: z
      .enum(
        ['auto', 'counters', 'sharelog'],
        '"auto", "counters" or "sharelog": where the shares of each user are counted',
      )
      .default('auto'),
    sharelog_keep: z
      .enum(
        ['all', 'compress', 'remove'],
        '"all", "compress" or "remove": what prune does with the share logs of settled rounds',
      )
      .default('all'),
    sharelog_keep_days: wholeNumber(1, 36_500, 'days').default(30),
    payments: paymentsSchema.default({}),
  },
  { error: objectRule },
);

const nodes_rule = 'a list of nodes, such as [{"url": "127.0.0.1:8332", "auth": "user", "pass": "…"}]';
const node = z.object(btcd, { error: objectRule });

export const configurationSchema = z.object({
  btcd: z.tuple([node], { error: nodes_rule }).rest(z.unknown()),
  btcaddress: text("the pool's address, in quotes").regex(/^\S*$/, "the pool's address, without spaces"),
  donaddress: text('an address, in quotes').optional(),
  donatepercent: wholeNumber(0, 1_000, 'thousandths').optional(),
  logdir: text('the path of a directory, in quotes').default('logs'),
  parser: parserSchema.default(() => parserSchema.parse({})),
});

export type Configuration = z.infer<typeof configurationSchema>;
export type SqlSection = z.infer<typeof sqlSchema>;
export type NodeLogin = z.infer<typeof node>;
export type PaymentsNode = z.infer<typeof paymentsNodeSchema>;

/** The keys that may stand in each of our objects, for "did you mean". */
export const known_names: Readonly<Record<string, readonly string[]>> = {
  parser: Object.keys(parserSchema.shape),
  'parser.sql': Object.keys(sql),
  'parser.payments': Object.keys(paymentsSchema.shape),
  'parser.payments.sql': Object.keys(sql),
  'parser.payments.btcd': Object.keys(btcd),
};
