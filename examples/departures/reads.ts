import type { CompiledQuery, Kysely } from 'kysely'
import type { Database } from './data.ts'
import type { Scene } from './scene.ts'

/** What the demo needs of a Kysely select: run it, or run it through or around the cache. */
export interface CacheableQuery {
  cache(): CacheableQuery
  nocache(): CacheableQuery
  compile(): CompiledQuery
  execute(): Promise<object[]>
}

/** One question the departures hall asks again and again. */
export interface Read {
  readonly kind: Kind
  /** What distinguishes it from others of its kind: `ORD on 2001-01-03`. */
  readonly of: string
  readonly query: (db: Kysely<Database>) => CacheableQuery
}

export type Kind = keyof typeof kinds

/** Kinds of reads, in the order of the output. */
export const kinds = {
  board: 'departures board of an airport, one day',
  late: 'its flights at least 30 minutes late',
  routes: 'its routes, with average and worst delay',
  count: 'how many of its flights still go',
  flight: 'one flight, with both its airports',
  airport: 'one airport, by its code',
  state: 'all airports of a state',
  search: 'airports by a part of the name',
} as const

/** Every read of the demo; each becomes one cached result. */
export function readsOf(scene: Scene): Read[] {
  const { airports, days } = scene
  const day = days[0]
  const perAirport = (kind: Kind, of: (code: string) => string, query: AirportQuery): Read[] =>
    airports.map((code) => ({ kind, of: of(code), query: (db) => query(db, code) }))
  return [
    ...days.flatMap((each) =>
      perAirport(
        'board',
        (code) => `${code} on ${each}`,
        (db, code) => board(db, code, each),
      ),
    ),
    ...perAirport(
      'late',
      (code) => `${code} on ${day}`,
      (db, code) => late(db, code, day),
    ),
    ...perAirport('routes', (code) => code, routes),
    ...perAirport(
      'count',
      (code) => `${code} on ${day}`,
      (db, code) => count(db, code, day),
    ),
    ...[...scene.firstFlights].map(([code, id]): Read => ({
      kind: 'flight',
      of: `${id} from ${code}`,
      query: (db) => flight(db, id),
    })),
    ...perAirport('airport', (code) => code, airport),
    ...['CA', 'GA', 'IL', 'MO'].map((state): Read => ({
      kind: 'state',
      of: state,
      query: (db) => airportsOf(db, state),
    })),
    ...['hartsfield', 'international', 'lambert', 'o’hare'].map((word): Read => {
      const part = word.replace('’', "'")
      return { kind: 'search', of: `“${part}”`, query: (db) => search(db, part) }
    }),
  ]
}

type AirportQuery = (db: Kysely<Database>, code: string) => CacheableQuery

function board(db: Kysely<Database>, code: string, day: string) {
  return db
    .selectFrom('flight')
    .innerJoin('airport as to', 'to.code', 'flight.destination')
    .innerJoin('city', 'city.id', 'to.city_id')
    .select([
      'flight.id',
      'flight.leaves_at',
      'flight.delay_minutes',
      'flight.status',
      'flight.distance_miles',
      'to.code as to_code',
      'to.name as to_airport',
      'to.latitude',
      'to.longitude',
      'city.name as to_city',
      'city.state as to_state',
      'city.country as to_country',
    ])
    .where('flight.origin', '=', code)
    .where('flight.day', '=', day)
    .orderBy('flight.leaves_at')
    .orderBy('flight.id')
}

function late(db: Kysely<Database>, code: string, day: string) {
  return db
    .selectFrom('flight')
    .innerJoin('airport as to', 'to.code', 'flight.destination')
    .select(['flight.id', 'flight.leaves_at', 'flight.delay_minutes', 'to.name as to_airport'])
    .where('flight.origin', '=', code)
    .where('flight.day', '=', day)
    .where('flight.status', '=', 'scheduled')
    .where('flight.delay_minutes', '>=', 30)
    .orderBy('flight.delay_minutes', 'desc')
    .orderBy('flight.id')
}

function routes(db: Kysely<Database>, code: string) {
  return db
    .selectFrom('flight')
    .select(({ fn }) => [
      'flight.destination',
      fn.countAll<number>().as('flights'),
      fn.avg<string>('flight.delay_minutes').as('average_delay'),
      fn.max('flight.delay_minutes').as('worst_delay'),
      fn.avg<string>('flight.distance_miles').as('miles'),
    ])
    .where('flight.origin', '=', code)
    .where('flight.status', '=', 'scheduled')
    .groupBy('flight.destination')
    .orderBy('flights', 'desc')
    .orderBy('flight.destination')
}

function count(db: Kysely<Database>, code: string, day: string) {
  return db
    .selectFrom('flight')
    .select(({ fn }) => fn.countAll<number>().as('flights'))
    .where('origin', '=', code)
    .where('day', '=', day)
    .where('status', '=', 'scheduled')
}

function flight(db: Kysely<Database>, id: number) {
  return db
    .selectFrom('flight')
    .innerJoin('airport as from', 'from.code', 'flight.origin')
    .innerJoin('airport as to', 'to.code', 'flight.destination')
    .select([
      'flight.id',
      'flight.leaves_at',
      'flight.delay_minutes',
      'flight.status',
      'from.name as from_airport',
      'to.name as to_airport',
    ])
    .where('flight.id', '=', id)
}

function airport(db: Kysely<Database>, code: string) {
  return db
    .selectFrom('airport')
    .innerJoin('city', 'city.id', 'airport.city_id')
    .select(['airport.code', 'airport.name', 'city.name as city', 'city.state', 'city.country'])
    .where('airport.code', '=', code)
}

function airportsOf(db: Kysely<Database>, state: string) {
  return db
    .selectFrom('airport')
    .innerJoin('city', 'city.id', 'airport.city_id')
    .select(['airport.code', 'airport.name', 'city.name as city'])
    .where('city.state', '=', state)
    .orderBy('city.name')
    .orderBy('airport.code')
}

function search(db: Kysely<Database>, part: string) {
  return db
    .selectFrom('airport')
    .select(['code', 'name', 'latitude', 'longitude'])
    .where('name', 'ilike', `%${part}%`)
    .orderBy('name')
    .orderBy('code')
    .limit(50)
}
