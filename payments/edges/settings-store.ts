// What is written at the first start and compared at every other: which chain, and which script is ours.
import type { Knex } from 'knex';

export type SettingName = 'genesis_hash' | 'pool_script';

/** null until the first start wrote it. */
export async function setting(knex: Knex, name: SettingName): Promise<string | null> {
  const row = await knex('settings').where({ name }).first<{ value: unknown } | undefined>('value');
  return row ? String(row.value) : null;
}

/** Written once; a second write of the same name is refused by the key. */
export async function recordSetting(
  transaction: Knex.Transaction, name: SettingName, value: string, set_at: string,
): Promise<void> {
  await transaction('settings').insert({ name, value, set_at });
}
