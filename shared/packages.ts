// The packages that take time to load; in starts of a bare node: bitcoin-core 2.5, knex 1.7, mysql2 1.3, winston 1.1,
// cli-table3 0.2. Each is loaded when it is first asked for, so that a command that asks no node, reads no
// database or draws no table does not wait for what it does not use. Whoever uses one of them for its types
// alone imports those as types. (Node keeps what it has loaded: asking again costs nothing.)
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const loadBitcoinCore = () => require('bitcoin-core') as typeof import('bitcoin-core');
export const loadKnex = () => require('knex') as typeof import('knex').default;
export const loadMysql = () => require('mysql2/promise') as typeof import('mysql2/promise');
export const loadWinston = () => require('winston') as typeof import('winston');
export const loadTable = () => require('cli-table3') as typeof import('cli-table3');
