import type { Kysely } from 'kysely'

import type { Database } from './data.ts'

/** Whom the demo is about. */
export interface Scene {
  /** Codes of the airports with most departures, busiest first. */
  readonly airports: readonly string[]
  /** The day with most flights, and the day after. */
  readonly days: readonly [string, string]
  /** The first flight of that day from each of these airports. */
  readonly firstFlights: ReadonlyMap<string, number>
  /** The longest route between two of these airports; it will get an extra flight. */
  readonly route: { origin: string; destination: string; distance_miles: number }
}

/** Asks the data which airports and days are worth showing. */
export async function pickScene(db: Kysely<Database>): Promise<Scene> {
  const busiest = await db
    .selectFrom('flight')
    .select('origin')
    .groupBy('origin')
    .orderBy((eb) => eb.fn.countAll(), 'desc')
    .orderBy('origin')
    .limit(8)
    .execute()
  const { day } = await db
    .selectFrom('flight')
    .select('day')
    .groupBy('day')
    .orderBy((eb) => eb.fn.countAll(), 'desc')
    .orderBy('day')
    .limit(1)
    .executeTakeFirstOrThrow()
  const next = await db
    .selectFrom('flight')
    .select('day')
    .where('day', '>', day)
    .orderBy('day')
    .limit(1)
    .executeTakeFirstOrThrow()
  const airports = busiest.map((row) => row.origin)
  const first = await db
    .selectFrom('flight')
    .distinctOn('origin')
    .select(['origin', 'id'])
    .where('origin', 'in', airports)
    .where('day', '=', day)
    .orderBy('origin')
    .orderBy('leaves_at')
    .orderBy('id')
    .execute()
  const route = await db
    .selectFrom('flight')
    .select(['origin', 'destination', 'distance_miles'])
    .where('origin', 'in', airports)
    .where('destination', 'in', airports)
    .orderBy('distance_miles', 'desc')
    .orderBy('origin')
    .limit(1)
    .executeTakeFirstOrThrow()
  return {
    airports,
    days: [day, next.day],
    firstFlights: new Map(first.map((row) => [row.origin, row.id])),
    route,
  }
}
