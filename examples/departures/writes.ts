import { sql } from 'kysely'
import type { CompiledQuery, Kysely, UpdateResult } from 'kysely'

import type { Database } from './data.ts'
import type { Scene } from './scene.ts'

/** Something that happens in the departures hall and changes rows. */
export interface Write {
  readonly title: string
  readonly table: keyof Database
  /** Nothing has changed in the end. */
  readonly rolledBack?: true
  readonly run: (db: Kysely<Database>) => Promise<Happened>
}

export interface Happened {
  /** How many rows are different now. */
  readonly rows: number
  /** The SQL as it was written, for printing. */
  readonly sql: string
}

/** What happens in the hall, in this order. */
export function writesOf(scene: Scene): Write[] {
  const { airports, days, firstFlights, route } = scene
  const day = days[0]
  const [first = '', second = '', third = ''] = airports
  const flightFrom = (code: string): number => firstFlights.get(code) ?? 0
  return [
    {
      title: `A flight from ${first} is 45 minutes late`,
      table: 'flight',
      run: (db) =>
        update(
          db
            .updateTable('flight')
            .set((eb) => ({ delay_minutes: eb('delay_minutes', '+', 45) }))
            .where('id', '=', flightFrom(first)),
        ),
    },
    {
      title: `A flight from ${second} is cancelled`,
      table: 'flight',
      run: (db) => update(db.updateTable('flight').set({ status: 'cancelled' }).where('id', '=', flightFrom(second))),
    },
    {
      title: `An extra flight from ${route.origin} to ${route.destination} is put on`,
      table: 'flight',
      run: async (db) => {
        const query = db
          .insertInto('flight')
          .values({ ...route, day, leaves_at: `${day} 23:30`, delay_minutes: 0 })
          .returning('id')
        const rows = await query.execute()
        return { rows: rows.length, sql: readable(query.compile()) }
      },
    },
    {
      title: 'St Louis wants to be spelt Saint Louis',
      table: 'city',
      run: (db) =>
        update(
          db.updateTable('city').set({ name: 'Saint Louis' }).where('name', '=', 'St Louis').where('state', '=', 'MO'),
        ),
    },
    {
      title: 'Atlanta renames its airport (as it really did in 2003)',
      table: 'airport',
      run: (db) =>
        update(
          db.updateTable('airport').set({ name: 'Hartsfield-Jackson Atlanta International' }).where('code', '=', 'ATL'),
        ),
    },
    {
      title: 'Fog: every flight of the day leaves 20 minutes later',
      table: 'flight',
      run: (db) =>
        update(
          db
            .updateTable('flight')
            .set((eb) => ({ delay_minutes: eb('delay_minutes', '+', 20) }))
            .where('day', '=', day),
        ),
    },
    {
      title: 'Radar sees every flight of the day; nobody asks that',
      table: 'flight',
      run: (db) =>
        update(
          db
            .updateTable('flight')
            .set({ radar_seen_at: `${day} 12:00` })
            .where('day', '=', day),
        ),
    },
    {
      title: 'A cancellation, rolled back before its commit',
      table: 'flight',
      rolledBack: true,
      run: async (db) => {
        const transaction = await db.startTransaction().execute()
        const query = transaction.updateTable('flight').set({ status: 'cancelled' }).where('id', '=', flightFrom(third))
        await query.execute()
        await transaction.rollback().execute()
        return { rows: 0, sql: `begin; ${readable(query.compile())}; rollback` }
      },
    },
  ]
}

interface Update {
  compile(): CompiledQuery
  executeTakeFirstOrThrow(): Promise<UpdateResult>
}

async function update(query: Update): Promise<Happened> {
  const { numUpdatedRows } = await query.executeTakeFirstOrThrow()
  return { rows: Number(numUpdatedRows), sql: readable(query.compile()) }
}

/** An update that changes nothing, for measuring what the cache adds to a write. */
export function idleUpdate(db: Kysely<Database>, id: number) {
  return db
    .updateTable('flight')
    .set({ delay_minutes: sql<number>`delay_minutes` })
    .where('id', '=', id)
}

/** SQL for human eyes: parameters in their places, no quotes around names. For printing only. */
export function readable(query: CompiledQuery): string {
  return query.sql.replaceAll(/"(\w+)"/g, '$1').replaceAll(/\$(\d+)/g, (_, position: string) => {
    const value = query.parameters[Number(position) - 1]
    return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)
  })
}
