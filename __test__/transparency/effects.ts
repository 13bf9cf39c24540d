import type { ExecutionContext } from 'ava'
import { sql } from 'kysely'

import { describe } from '../support/describe.ts'
import type { Outcome } from '../support/describe.ts'
import type { Db, Twins } from './twins.ts'

/** Reads whose schemes make the plugin ask for as many row images as it ever does; all of them are to see every write. */
export function pool(db: Db): readonly { execute(): Promise<unknown> }[] {
  const track = db.selectFrom('track').selectAll().orderBy('id')
  const genre = db.selectFrom('genre').selectAll().orderBy('id')
  return [
    track,
    track.where('album_id', '=', 1),
    track.where('album_id', '=', 2),
    track.where('genre_id', '=', 1).where('title', '=', 'Opening'),
    track.where('genre_id', 'in', [2, 3]),
    track.where('genre_id', 'is', null),
    track.where('id', '=', 1),
    track.where('plays', '>', 20),
    genre,
    genre.where('name', '=', 'Jazz'),
    genre.where('id', '=', 1),
    genre.where('id', '=', 999),
    db.selectFrom('artist').selectAll().where('country', '=', 'US'),
    db.selectFrom('artist').selectAll().where('id', '=', 1),
    db.selectFrom('album').selectAll().where('artist_id', '=', 1).orderBy('id'),
    db
      .selectFrom('album')
      .innerJoin('track', 'track.album_id', 'album.id')
      .select(['album.title', 'track.title as t'])
      .where('album.id', '=', 1)
      .orderBy('t'),
    db
      .selectFrom('genre')
      .leftJoin('track', 'track.genre_id', 'genre.id')
      .select(['genre.name', 'track.id'])
      .orderBy('genre.id')
      .orderBy('track.id'),
    db
      .selectFrom('track')
      .select((eb) => ['album_id', eb.fn.sum('plays').as('plays')])
      .groupBy('album_id')
      .orderBy('album_id'),
    db
      .selectFrom('track')
      .select((eb) => eb.fn.countAll().as('n'))
      .where('album_id', '=', 1),
    db.selectFrom('ledger').selectAll().orderBy('account').orderBy('entry'),
    db.selectFrom('ledger').selectAll().where('account', '=', 'cash').where('entry', '=', 1),
    db.selectFrom('ledger').select('twice').where('account', '=', 'bank'),
    db.selectFrom('tree').selectAll().where('parent', '=', 1).orderBy('id'),
    db.selectFrom('kind').selectAll().where('id', '=', 1),
    db.selectFrom('kind').select(['id', 't']).where('t', '=', 'plain'),
    db.selectFrom('loud').selectAll().orderBy('id'),
    db.selectFrom('noted').selectAll().orderBy('id'),
    db.selectFrom('log_line').selectAll().orderBy('id'),
    db.selectFrom('audit').selectAll().orderBy('id'),
  ]
}

const TABLES = ['artist', 'album', 'genre', 'track', 'invoice', 'audit', 'ledger', 'tree', 'kind', 'noted', 'log_line']

/** Everything that is stored, and the numbers that come next. */
export async function contents({ dialect, plain }: Twins): Promise<string> {
  if (dialect === 'sqlite') {
    const all: unknown[] = []
    for (const table of [...TABLES, 'counted', 'pair', 'exact', 'sqlite_sequence']) {
      const { rows } =
        await sql`select ${SQLITE_TEXTS[table] ?? sql`*`} from ${sql.table(table)} order by 1, 2`.execute(plain)
      all.push(table, rows)
    }
    return describe(all)
  }
  // postgres.js does not wait for the end of a stream that was left.
  while ((await sql`${BUSY}`.execute(plain)).rows.length > 0);
  const tables = [...TABLES, 'other.genre', 'pg_sequences'].map(
    (table) => sql`(select json_agg(whole order by whole::text) from ${sql.table(table)} as whole)`,
  )
  const { rows } = await sql<{ all: string }>`select json_build_array(${sql.join(tables)})::text as all`.execute(plain)
  return rows[0]!.all.replaceAll('}, ', '},\n')
}

const BUSY = sql`select 1 from pg_stat_activity where state = 'active' and datname = current_database() and pid <> pg_backend_pid()`

/** Integers that node:sqlite refuses to read are read as text. */
const SQLITE_TEXTS: Readonly<Record<string, ReturnType<typeof sql>>> = {
  genre: sql`cast(id as text) as id, name`,
  kind: sql`id, cast(i as text) as i, typeof(i) as ti, r, t, typeof(t) as tt, by, n, x, d, dt, b, f`,
}

/** The tables as they were at first; what changed nothing needs no repair. */
async function startAgain(twins: Twins, beginning: string): Promise<void> {
  await twins.forget()
  if ((await contents(twins)) !== beginning) await twins.reset()
}

const beginnings = new WeakMap<Twins, string>()

/** Instances to be told from each other by nothing: the second one has the plugin. */
export interface Pair {
  readonly plain: Db
  readonly cached: Db
}

/**
 * Demands that a call gives and does what it does without the plugin, and that everything that was cached before shows
 * what it did.
 */
export async function expectSameEffects(
  t: ExecutionContext,
  twins: Twins,
  call: (db: Db) => Promise<unknown>,
  { plain, cached }: Pair = { plain: twins.plain, cached: twins.automatic },
): Promise<Outcome> {
  if (!beginnings.has(twins)) beginnings.set(twins, await contents(twins))
  const beginning = beginnings.get(twins)!
  await startAgain(twins, beginning)
  const wanted = await twins.outcomeOf(() => call(plain))
  const wantedContents = await contents(twins)
  const wantedReads = await readAll(pool(twins.plain))

  await startAgain(twins, beginning)
  const reads = pool(twins.automatic)
  await readAll(reads)
  const seen = await twins.outcomeOf(() => call(cached))
  t.is(seen.text, wanted.text)
  t.true(seen.namesCaller || !wanted.namesCaller, `the caller's frame is gone: ${(seen.error as Error)?.stack}`)
  t.is(await contents(twins), wantedContents, 'the database')
  const seenReads = await readAll(reads)
  for (const [index, text] of seenReads.entries()) t.is(text, wantedReads[index]!, `read ${index}`)
  return wanted
}

export async function readAll(reads: readonly { execute(): Promise<unknown> }[]): Promise<string[]> {
  const seen: string[] = []
  for (const read of reads) {
    seen.push(await read.execute().then(describe, (error: unknown) => `thrown: ${describe(error)}`))
  }
  return seen
}
