import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Generated, Kysely } from 'kysely'
import { sql } from 'kysely'

/** The demo's database: American airports, the cities they serve, and flights between them. */
export interface Database {
  city: CityTable
  airport: AirportTable
  flight: FlightTable
}

export interface CityTable {
  id: number
  name: string
  state: string
  country: string
}

export interface AirportTable {
  /** The code on a luggage tag: `ORD` is Chicago O'Hare. */
  code: string
  name: string
  city_id: number
  latitude: number
  longitude: number
}

export interface FlightTable {
  id: Generated<number>
  /** A calendar day, `2001-01-31`. */
  day: string
  /** Local wall-clock time, `2001-01-31 17:05:00`. */
  leaves_at: string
  origin: string
  destination: string
  distance_miles: number
  /** Minutes; negative is early. */
  delay_minutes: number
  /** `scheduled` or `cancelled`. The source has no such column: every loaded flight is `scheduled`. */
  status: Generated<string>
  /** When radar last saw the plane. Not in the source either; no query of the demo reads it. */
  radar_seen_at: string | null
}

/** Where the rows come from, for the first lines of the output. */
export interface Source {
  readonly package: string
  readonly version: string
  readonly packageLicence: string
  readonly files: readonly { file: string; title: string; origin: string; licence: string }[]
}

export interface LoadedTable {
  readonly table: keyof Database
  readonly rows: number
}

/** Called while rows are inserted; `total` is the number of rows of that table. */
export type Progress = (table: keyof Database, done: number, total: number) => void

const ROWS_PER_INSERT = 1000

// NOTE: the package exports only its entry, so its data files are found beside that.
const packageRoot = new URL('../', import.meta.resolve('vega-datasets'))

const files = [
  { file: 'airports.csv', title: 'airports of the United States and its territories' },
  { file: 'flights-20k.json', title: 'domestic flights of 2001, with their delays' },
] as const

/** Reads who made the data, from the package's own manifest. */
export async function readSource(): Promise<Source> {
  const manifest = (await readJson('datapackage.json')) as {
    version: string
    licenses: { name: string }[]
    resources: {
      path: string
      sources: { title: string; path: string }[]
      licenses: { title?: string; path?: string }[]
    }[]
  }
  return {
    package: 'vega-datasets',
    version: manifest.version,
    packageLicence: manifest.licenses[0]?.name ?? 'unknown',
    files: files.map(({ file, title }) => {
      const resource = manifest.resources.find((each) => each.path === file)
      const licence = resource?.licenses[0]
      return {
        file,
        title,
        origin: resource?.sources[0]?.title ?? 'unknown',
        licence: licence?.title ?? licence?.path ?? 'unknown',
      }
    }),
  }
}

/** Creates the three tables with their keys, foreign keys and the indexes a departures board needs. */
export async function createSchema(db: Kysely<Database>): Promise<void> {
  await db.schema
    .createTable('city')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('country', 'text', (column) => column.notNull())
    .addUniqueConstraint('city_place', ['name', 'state', 'country'])
    .execute()
  await db.schema
    .createTable('airport')
    .addColumn('code', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('city_id', 'integer', (column) => column.notNull().references('city.id'))
    .addColumn('latitude', 'double precision', (column) => column.notNull())
    .addColumn('longitude', 'double precision', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('flight')
    .addColumn('id', 'integer', (column) => column.primaryKey().generatedByDefaultAsIdentity())
    .addColumn('day', 'date', (column) => column.notNull())
    .addColumn('leaves_at', 'timestamp', (column) => column.notNull())
    .addColumn('origin', 'text', (column) => column.notNull().references('airport.code'))
    .addColumn('destination', 'text', (column) => column.notNull().references('airport.code'))
    .addColumn('distance_miles', 'integer', (column) => column.notNull())
    .addColumn('delay_minutes', 'integer', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull().defaultTo('scheduled'))
    .addColumn('radar_seen_at', 'timestamp')
    .execute()
  await db.schema.createIndex('city_state').on('city').column('state').execute()
  await db.schema.createIndex('airport_city').on('airport').column('city_id').execute()
  await db.schema.createIndex('flight_board').on('flight').columns(['origin', 'day']).execute()
  await db.schema.createIndex('flight_day').on('flight').column('day').execute()
}

/** Reads the package's files and inserts every row, in batches. */
export async function loadData(db: Kysely<Database>, progress: Progress): Promise<LoadedTable[]> {
  const { cities, airports } = placesOf(parseCsv(await readText('data/airports.csv')))
  const flights = flightsOf((await readJson('data/flights-20k.json')) as SourceFlight[])
  const loaded = [
    await insert('city', cities, (rows) => db.insertInto('city').values(rows).execute()),
    await insert('airport', airports, (rows) => db.insertInto('airport').values(rows).execute()),
    await insert('flight', flights, (rows) => db.insertInto('flight').values(rows).execute()),
  ]
  // As after any bulk load: without it the first larger write would pay for tidying up.
  await sql`vacuum analyze`.execute(db)
  return loaded

  async function insert<Row>(
    table: keyof Database,
    rows: Row[],
    run: (batch: Row[]) => Promise<unknown>,
  ): Promise<LoadedTable> {
    for (let start = 0; start < rows.length; start += ROWS_PER_INSERT) {
      progress(table, start, rows.length)
      await run(rows.slice(start, start + ROWS_PER_INSERT))
    }
    progress(table, rows.length, rows.length)
    return { table, rows: rows.length }
  }
}

interface SourceFlight {
  /** `2001/01/31 17:05` */
  date: string
  delay: number
  distance: number
  origin: string
  destination: string
}

function flightsOf(source: SourceFlight[]) {
  return source.map((flight) => {
    const leaves = flight.date.replaceAll('/', '-')
    return {
      day: leaves.slice(0, 10),
      leaves_at: leaves,
      origin: flight.origin,
      destination: flight.destination,
      distance_miles: flight.distance,
      delay_minutes: flight.delay,
    }
  })
}

/** The source repeats the city in each airport's row; here a city is a row of its own. */
function placesOf(rows: Record<string, string>[]) {
  const cities = new Map<string, CityTable>()
  const airports = rows.map((row): AirportTable => {
    const { iata = '', name = '', city = '', state = '', country = '' } = row
    const place = JSON.stringify([city, state, country])
    let known = cities.get(place)
    if (known === undefined) {
      known = { id: cities.size + 1, name: city, state, country }
      cities.set(place, known)
    }
    return {
      code: iata,
      name,
      city_id: known.id,
      latitude: Number(row['latitude']),
      longitude: Number(row['longitude']),
    }
  })
  return { cities: [...cities.values()], airports }
}

/** Comma-separated values with a header line; a quoted field may contain commas and doubled quotes. */
function parseCsv(text: string): Record<string, string>[] {
  const [header = [], ...rows] = text
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '',
      ),
    )
  return rows.map((row) => Object.fromEntries(header.map((name, index) => [name, row[index] ?? ''])))
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readText(path))
}

function readText(path: string): Promise<string> {
  return readFile(fileURLToPath(new URL(path, packageRoot)), 'utf8')
}
