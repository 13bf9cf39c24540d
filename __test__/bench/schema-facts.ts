/**
 * What it costs to know a schema: a cold start with and without the option `schema`, and the question whether anything has
 * changed. `npx node __test__/bench/schema-facts.ts`; every figure is the median of several, on an otherwise idle machine.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import BetterSqlite3 from 'better-sqlite3'
import { Kysely, sql, SqliteDialect } from 'kysely'
import type { Dialect } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { SchemaFacts } from '../../ts/index.ts'
import { askDatabase } from '../../ts/kysely/introspect.ts'
import type { DialectName, RunSql } from '../../ts/kysely/introspect.ts'
import { RecordingDialect, Recorder } from '../support/recorder.ts'
import { sharedCluster } from '../support/postgres-cluster.ts'
import { pooledDialect } from '../support/servers.ts'

const SIZES = [10, 300, 2000]
const RUNS = 7

/** Ten columns, a unique key, an index and a foreign key each; a trigger on every fifth, a view of every tenth. */
function* tables(count: number, dialect: DialectName): Generator<string> {
  const postgres = dialect === 'postgres'
  if (postgres) {
    yield `create function touch() returns trigger language plpgsql as $$ begin new.updated_at = now(); return new; end $$`
  }
  for (let at = 0; at < count; at++) {
    const parent = at === 0 ? '' : ` references t${at - 1} (id) on delete cascade`
    yield postgres
      ? `create table t${at} (id bigint generated always as identity primary key, code text not null unique,
        name varchar(80) not null default '', amount numeric(12, 2) check (amount >= 0), active boolean not null default true,
        parent_id bigint${parent}, created_at timestamptz not null default now(), updated_at timestamptz, note text, data jsonb)`
      : `create table t${at} (id integer primary key, code text not null unique, name text not null default '',
        amount real check (amount >= 0), active integer not null default 1, parent_id integer${parent}, created_at text,
        updated_at text, note text, data text)`
    yield `create index t${at}_parent on t${at} (parent_id)`
    if (postgres && at % 5 === 0) {
      yield `create trigger touch before update on t${at} for each row execute function touch()`
    }
    if (at % 10 === 0) yield `create view v${at} as select id, code, name from t${at} where note is null`
  }
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

async function timed(run: () => Promise<unknown>): Promise<number> {
  const took: number[] = []
  for (let at = 0; at < RUNS; at++) {
    const before = performance.now()
    await run()
    took.push(performance.now() - before)
  }
  return median(took)
}

let starts = 0

/** The first query of a process that has its connection already. */
async function coldStart(dialect: () => Dialect, schema: SchemaFacts | undefined) {
  const took: number[] = []
  let statements = 0
  for (let at = 0; at < RUNS; at++) {
    const recorder = new Recorder()
    const store = { type: 'embedded', name: `cold-${++starts}` } as const
    const cacheops = cacheopsPlugin({ store, database: `cold-${starts}`, ...(schema === undefined ? {} : { schema }) })
    const plain = new Kysely<any>({ dialect: new RecordingDialect(dialect(), recorder) })
    await sql`select 1`.execute(plain)
    const db = plain.withPlugin(cacheops)
    recorder.clear()
    const before = performance.now()
    await db.selectFrom('t1').selectAll().where('id', '=', 1).cache().execute()
    took.push(performance.now() - before)
    statements = recorder.statements.length - 1
    await plain.destroy()
    await cacheops.close()
  }
  return { took: median(took), statements }
}

async function measure(name: DialectName, dialect: () => Dialect, count: number): Promise<void> {
  const plain = new Kysely<any>({ dialect: dialect() })
  let bytes = 0
  const figures = await plain.connection().execute(async (connection) => {
    const run: RunSql = async (text) => {
      const { rows } = await sql.raw<Record<string, unknown>>(text).execute(connection)
      bytes += JSON.stringify(rows).length
      return rows
    }
    const sized = async (ask: () => Promise<unknown>) => {
      bytes = 0
      await ask()
      const size = bytes
      return { ms: await timed(ask), bytes: size }
    }
    return {
      digest: await sized(() => askDatabase(name, run)),
      content: await sized(() => askDatabase(name, run, { withContent: true })),
      facts: await sized(async () => (await askDatabase(name, run)).schema()),
    }
  })
  const cacheops = cacheopsPlugin({ store: { type: 'embedded', name: `export-${name}-${count}` } })
  const schema = await cacheops.exportSchema({ db: plain.withPlugin(cacheops) })
  await plain.destroy()
  const without = await coldStart(dialect, undefined)
  const from = await coldStart(dialect, schema)
  const row = [
    name,
    count,
    ...Object.values(figures).map(({ ms, bytes: size }) => `${ms.toFixed(1)} ms, ${size.toLocaleString('en')} B`),
    `${without.took.toFixed(1)} ms, ${without.statements}`,
    `${from.took.toFixed(1)} ms, ${from.statements}`,
    `${JSON.stringify(schema).length.toLocaleString('en')} B`,
  ]
  process.stdout.write(`| ${row.join(' | ')} |\n`)
}

process.stdout.write(
  '| database | tables | digest | digest for a file | digest and facts | first query without file, statements | with file | file |\n' +
    '|---|---|---|---|---|---|---|---|\n',
)
const cluster = await sharedCluster()
const folder = mkdtempSync(join(tmpdir(), 'cacheops-bench-'))
for (const count of SIZES) {
  await cluster.exec(`create database size_${count}`)
  const texts = [...tables(count, 'postgres')]
  for (let at = 0; at < texts.length; at += 500) {
    await cluster.exec(texts.slice(at, at + 500).join(';\n'), `size_${count}`)
  }
  await cluster.exec('vacuum analyze', `size_${count}`)
  await measure('postgres', () => pooledDialect('pg', cluster, `size_${count}`), count)
}
for (const count of SIZES) {
  const file = join(folder, `${count}.db`)
  const made = new BetterSqlite3(file)
  made.exec(`begin; ${[...tables(count, 'sqlite')].join(';')}; commit`)
  made.close()
  await measure('sqlite', () => new SqliteDialect({ database: new BetterSqlite3(file) }), count)
}
rmSync(folder, { recursive: true })
await cluster.stop()
