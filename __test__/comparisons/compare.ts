import { isDeepStrictEqual } from 'node:util'

import * as fc from 'fast-check'
import { CompiledQuery, Kysely, sql } from 'kysely'
import type { Dialect, RawBuilder } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'
import type { Cacheops } from '../../ts/index.ts'
import type { PooledDriverName } from '../support/servers.ts'
import type { ComparedType, Spelling } from './types.ts'

/**
 * The database says which rows a condition means; a write of such a row must drop the read with that condition.
 *
 * Two tables a type: `t`, and `g` with everything that gives a column a value besides a statement: a default, a trigger, a
 * generated column. Reads of some conditions are cached, rows are written one after the other, and after each write every
 * read must be what the database says.
 */

/** What was compared, by pairs of a condition and a row that was written. */
export interface Tally {
  /** the row was or is one that the condition means */
  equal: number
  unequal: number
  /** of the unequal, the read was kept */
  kept: number
}

/** A read was answered from the cache with what the database does not say. */
export class Stale extends Error {}

/** How a condition compares its column with one or two values. */
const FORMS = [
  (v: string, x: () => string) => `${v} = ${x()}`,
  (v: string, x: () => string) => `${v} = ${x()}`,
  (v: string, x: () => string) => `${x()} = ${v}`,
  (v: string, x: () => string, y: () => string) => `${v} in (${x()}, ${y()})`,
  (v: string, x: () => string, y: () => string) => `${v} = any(array[${x()}, ${y()}])`,
  (v: string, x: () => string) => `${v} is not distinct from ${x()}`,
  (v: string, x: () => string) => `(u, ${v}) = (0, ${x()}) or (${v}, u) = (${x()}, 1)`,
  (v: string, x: () => string) => `not (${v} <> ${x()})`,
  (v: string, x: () => string, _: () => string, type: string) => `${v} = (${x()})::${type}`,
  (v: string, x: () => string, y: () => string) => `(${v} = ${x()} or ${v} = ${y()}) and u >= 0`,
] as const

type Write = 'touch' | 'move' | 'replace' | 'upsert' | 'where' | 'remove' | 'raw' | 'trigger' | 'default' | 'partly'

interface Step {
  readonly write: Write
  readonly row: number
  readonly spelling: Spelling
}

interface Asked {
  readonly form: number
  readonly x: Spelling
  readonly y: Spelling
  readonly where: 'column' | 'generated' | 'array' | 'joined'
}

/** One round: rows, conditions, writes. */
export interface Round {
  readonly rows: readonly Spelling[]
  readonly asked: readonly Asked[]
  readonly steps: readonly Step[]
}

/** Rounds for a type. */
export function rounds({ values, times = false }: ComparedType, driver: PooledDriverName): fc.Arbitrary<Round> {
  // NOTE: a connection of postgres.js is stuck for good once a text that is no Date to JavaScript is sent as a time.
  const sticks = (spelling: Spelling): boolean =>
    driver === 'postgres.js' &&
    times &&
    'parameter' in spelling &&
    typeof spelling.parameter === 'string' &&
    Number.isNaN(Date.parse(spelling.parameter))
  return fc
    .array(values, { minLength: 1, maxLength: 3 })
    .map((all) => all.flat().filter((spelling) => !sticks(spelling)))
    .filter((all) => all.length > 0)
    .chain((all) => roundsOf(fc.constantFrom(...all)))
}

function roundsOf(spellings: fc.Arbitrary<Spelling>): fc.Arbitrary<Round> {
  const asked = fc.record({
    form: fc.nat(FORMS.length - 1),
    x: spellings,
    y: spellings,
    where: fc.constantFrom<Asked['where'][]>('column', 'column', 'column', 'generated', 'array', 'joined'),
  })
  const step = fc.record({
    write: fc.constantFrom<Write[]>(
      'touch',
      'touch',
      'move',
      'move',
      'replace',
      'upsert',
      'where',
      'remove',
      'raw',
      'trigger',
      'default',
      'partly',
    ),
    row: fc.nat(5),
    spelling: spellings,
  })
  return fc.record({
    rows: fc.array(spellings, { minLength: 4, maxLength: 6 }),
    asked: fc.array(asked, { minLength: 10, maxLength: 14 }),
    steps: fc.array(step, { minLength: 4, maxLength: 8 }),
  })
}

let stores = 0

/** Compares on one database, through one driver. */
export class Comparison {
  readonly tallies = new Map<string, Tally>()
  readonly #db: Kysely<any>
  readonly #plain: Kysely<any>
  readonly #cacheops: Cacheops
  readonly #numbers = new Map<ComparedType, number>()
  #hit = false

  constructor(dialect: () => Dialect) {
    const store = { type: 'embedded', name: `comparisons ${process.pid} ${stores++}` } as const
    this.#cacheops = cacheopsPlugin({ store })
    this.#cacheops.on('read', ({ hit }) => (this.#hit = hit))
    this.#cacheops.on('error', ({ error }) => {
      throw error
    })
    this.#db = new Kysely({ dialect: dialect(), plugins: [this.#cacheops] })
    this.#plain = new Kysely({ dialect: dialect() })
  }

  async close(): Promise<void> {
    await this.#db.destroy()
    await this.#plain.destroy()
    await this.#cacheops.close()
  }

  /** Makes the tables of these types, before anything is asked. */
  async prepare(types: readonly ComparedType[]): Promise<void> {
    for (const [at, compared] of types.entries()) {
      const { type, joined = type, values } = compared
      this.#numbers.set(compared, at)
      await this.#ask(this.#plain, `create table t${at} (id int primary key, v ${type}, u int)`)
      await this.#ask(this.#plain, `create table o${at} (id int primary key, v ${joined})`)
      const generated = `${type} generated always as (v) stored`
      await this.#ask(
        this.#plain,
        `create table g${at} (id int primary key, v ${type}, u int, w ${generated}, raw text)`,
      )
      for (const spelling of fc.sample(values, { numRuns: 4, seed: 1 }).flat()) {
        if (!('sql' in spelling)) continue
        if ((await this.#ask(this.#plain, `alter table g${at} alter v set default ${spelling.sql}`)) !== undefined)
          break
      }
      await this.#ask(
        this.#plain,
        `create function f${at}() returns trigger language plpgsql as $$
          begin if new.raw is not null then new.v := new.raw; new.raw := null; end if; return new; end $$`,
      )
      const trigger = `create trigger g before insert or update on g${at} for each row execute function f${at}()`
      await this.#ask(this.#plain, trigger)
    }
  }

  /** One round. @throws Stale */
  async round(compared: ComparedType, { rows, asked, steps }: Round): Promise<void> {
    const at = this.#numbers.get(compared)
    const tally = this.tallies.get(compared.name) ?? { equal: 0, unequal: 0, kept: 0 }
    this.tallies.set(compared.name, tally)
    for (const table of ['t', 'g']) {
      await this.#ask(this.#db, `truncate ${table}${at}`)
      for (const [id, row] of rows.entries()) await this.#insert(this.#db, `${table}${at}`, id, row)
    }
    await this.#ask(this.#plain, `truncate o${at}`)
    await this.#ask(this.#plain, `insert into o${at} select id, v from t${at}`)
    const reads = asked.flatMap((each) => this.#read(compared, at!, each))
    const cached: { read: CompiledQuery; rows: readonly unknown[] }[] = []
    for (const read of reads) {
      const seen = await this.#cached(read)
      if (seen !== undefined) cached.push({ read, rows: seen })
    }
    for (const step of steps) {
      const table = ['trigger', 'default'].includes(step.write) || step.row % 2 === 1 ? 'g' : 't'
      if (!(await this.#write(compared, `${table}${at}`, step, rows.length))) continue
      const kept: { known: (typeof cached)[number]; seen: readonly unknown[] }[] = []
      for (const known of cached) {
        const concerned = known.read.sql.includes(`${table}${at} `)
        const before = known.rows
        const seen = (await this.#cached(known.read)) ?? []
        known.rows = seen
        if (this.#hit) kept.push({ known, seen })
        if (!concerned) continue
        // Each write changes `u` of the row, so a read whose rows are the same does not mean the row.
        if (!isDeepStrictEqual(before, seen)) tally.equal++
        else {
          tally.unequal++
          if (this.#hit) tally.kept++
        }
      }
      const truths = await Promise.all(kept.map(({ known }) => this.#execute(this.#plain, known.read)))
      for (const [index, { known, seen }] of kept.entries()) {
        const truth = truths[index]
        if (isDeepStrictEqual(seen, truth)) continue
        throw new Stale(
          `${compared.name}: ${known.read.sql} ${show(known.read.parameters)} answered ${show(seen)}, ` +
            `the database says ${show(truth)}, after ${show(step)} on ${table}`,
        )
      }
    }
  }

  #read(
    { type, joined = type, incomparable }: ComparedType,
    at: number,
    { form, x, y, where }: Asked,
  ): CompiledQuery[] {
    const parameters: unknown[] = []
    const put = (spelling: Spelling) => (): string =>
      'sql' in spelling ? spelling.sql : `$${parameters.push(spelling.parameter)}`
    const order = 'order by t.id'
    if (incomparable === true) {
      return [CompiledQuery.raw(`select t.id, t.u, t.v::text from t${at} t where t.id = $1 ${order}`, [form % 3])]
    }
    const base = type.replace(/ collate.*/, '')
    if (where === 'array') {
      // An array as a whole, of what is a parameter otherwise.
      const values = [x, y].flatMap((each) => ('sql' in each ? [] : [each.parameter]))
      return [CompiledQuery.raw(`select t.id, t.u from t${at} t where t.v = any($1) ${order}`, [values])]
    }
    if (where === 'joined') {
      const condition = FORMS[form]!('o.v', put(x), put(y), joined.replace(/ collate.*/, ''))
        .replaceAll('u, ', 't.u, ')
        .replaceAll(', u)', ', t.u)')
        .replaceAll('and u', 'and t.u')
      return [
        CompiledQuery.raw(
          `select t.id, t.u, o.id as o from t${at} t join o${at} o on o.v = t.v where ${condition} ${order}, o.id`,
          parameters,
        ),
      ]
    }
    const table = where === 'generated' ? `g${at}` : `t${at}`
    const condition = FORMS[form]!(where === 'generated' ? 'w' : 'v', put(x), put(y), base)
    return [CompiledQuery.raw(`select id, u from ${table} t where ${condition} ${order}`, parameters)]
  }

  /** False: the database refused it, or it changed nothing. */
  async #write(
    { incomparable }: ComparedType,
    table: string,
    { write, row, spelling }: Step,
    rows: number,
  ): Promise<boolean> {
    const id = row % rows
    const [value, ...parameters] = 'sql' in spelling ? [spelling.sql] : ['$2', spelling.parameter]
    const own = [id, ...parameters]
    const run = async (text: string, given: readonly unknown[] = own): Promise<boolean> =>
      (await this.#execute(this.#db, CompiledQuery.raw(text, [...given]))) !== undefined
    switch (write) {
      case 'touch':
        return run(`update ${table} set u = u + 1 where id = $1`, [id])
      case 'move':
        return run(`update ${table} set v = ${value}, u = u + 1 where id = $1`)
      case 'partly':
        return (
          (await run(`delete from ${table} where id = $1`, [id])) &&
          run(
            `insert into ${table} (u, id, v) values (7, $1, ${value}), (8, $1 + 100, ${value}) on conflict do nothing`,
          )
        )
      case 'replace':
        await run(`delete from ${table} where id = $1`, [id])
        return this.#insert(this.#db, table, id, spelling)
      case 'upsert':
        return run(
          `insert into ${table} as e (id, v, u) values ($1, ${value}, 5) on conflict (id) do update set v = excluded.v, u = e.u + 1`,
        )
      case 'where':
        if (incomparable === true) return false
        return 'sql' in spelling
          ? run(`update ${table} set u = u + 1 where v = ${spelling.sql}`, [])
          : run(`update ${table} set u = u + 1 where v = $1`, [spelling.parameter])
      case 'remove':
        return run(`delete from ${table} where id = $1`, [id])
      case 'raw':
        return run(
          `with gone as (delete from ${table} where id = $1 returning *) insert into ${table} (id, v, u) select id, v, u + 1 from gone`,
          [id],
        )
      case 'trigger':
        return 'sql' in spelling
          ? run(`update ${table} set u = u + 1, raw = (${spelling.sql})::text where id = $1`, [id])
          : run(
              `insert into ${table} (id, u, raw) values ($1, 3, $2) on conflict (id) do update set raw = excluded.raw, u = 4`,
              [id, String(spelling.parameter)],
            )
      default:
        return (
          (await run(`delete from ${table} where id = $1`, [id])) &&
          ('sql' in spelling
            ? run(`insert into ${table} (id, u) values ($1, 6)`, [id])
            : run(`insert into ${table} (id, v, u) values ($1, default, 6)`, [id]))
        )
    }
  }

  async #insert(db: Kysely<any>, table: string, id: number, spelling: Spelling): Promise<boolean> {
    const query =
      'sql' in spelling
        ? CompiledQuery.raw(`insert into ${table} (id, v, u) values ($1, ${spelling.sql}, 0)`, [id])
        : CompiledQuery.raw(`insert into ${table} (id, v, u) values ($1, $2, 0)`, [id, spelling.parameter])
    return (await this.#execute(db, query)) !== undefined
  }

  async #cached(read: CompiledQuery): Promise<readonly unknown[] | undefined> {
    this.#hit = false
    try {
      return (await this.#cacheops.run(this.#db, raw(read))).rows
    } catch {
      return undefined
    }
  }

  #ask(db: Kysely<any>, text: string): Promise<readonly unknown[] | undefined> {
    return this.#execute(db, CompiledQuery.raw(text))
  }

  /** Its rows; undefined if the database or the driver refuses it. */
  async #execute(db: Kysely<any>, query: CompiledQuery): Promise<readonly unknown[] | undefined> {
    try {
      return (await db.executeQuery(query)).rows
    } catch {
      return undefined
    }
  }
}

/** A read as `run()` takes it; its parameters stand in order. */
function raw({ sql: text, parameters }: CompiledQuery): RawBuilder<unknown> {
  const parts = text.split(/\$\d+/)
  return sql(Object.assign(parts, { raw: parts }), ...parameters)
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'bigint' ? `${each}n` : Object.is(each, -0) ? '-0' : each,
  )
}
