// The packages that take time to load, in milliseconds on an idle core: bitcoin-core 110, knex 65, mysql2 40,
// winston 30, cli-table3 10. Each is loaded when it is first asked for, so that a command that asks no node,
// reads no database or draws no table does not wait for what it does not use. Whoever uses one of them for its
// types alone imports those as types. (Node keeps what it has loaded: asking again costs nothing.)
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const loadBitcoinCore = () => require('bitcoin-core') as typeof import('bitcoin-core');
export const loadKnex = () => require('knex') as typeof import('knex').default;
export const loadMysql = () => require('mysql2/promise') as typeof import('mysql2/promise');
export const loadWinston = () => require('winston') as typeof import('winston');
export const loadTable = () => require('cli-table3') as typeof import('cli-table3');
