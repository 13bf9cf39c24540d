'use strict'

const { sql } = require('kysely')

const { Random } = require('../oracle/random.ts')
const { outcomeOf } = require('./compare.cjs')
const { USER, connect } = require('./database.cjs')
const { migrate } = require('./migrations.cjs')
const { hot, operationsFor } = require('./operations.cjs')
const { TENANTS, seed: fill } = require('./seed.cjs')
const { servicesOn } = require('./services/index.cjs')

/** How large a part of the operations of a scenario write. */
const WRITING = 0.12

/** What the cache did. */
function watch(cacheops) {
  const figures = { hits: 0, misses: 0, bypassed: {}, drops: {}, widened: {}, faults: [] }
  const count = (into, name) => (into[name] = (into[name] ?? 0) + 1)
  cacheops.on('read', ({ hit, reason }) => {
    if (hit) figures.hits++
    else if (reason === 'miss' || reason === 'joined') figures.misses++
    else count(figures.bypassed, reason)
  })
  cacheops.on('invalidate', ({ dropped, more }) => {
    for (const { level, table, reason } of dropped) {
      count(figures.drops, level)
      if (level === 'database' || level === 'table')
        count(figures.widened, `${level} ${level === 'table' ? table : ''}: ${reason}`)
    }
    if (more > 0) figures.drops.more = (figures.drops.more ?? 0) + more
  })
  cacheops.on('error', ({ error, during }) => figures.faults.push(`${during}: ${error.message}`))
  return figures
}

/** Creates the databases of a run; the application migrates and fills each. */
async function open(cluster, name, { cacheFirst }) {
  await cluster.exec(
    `do $$ begin if not exists (select from pg_roles where rolname = '${USER}') then create role ${USER} login; end if; end $$`,
  )
  const sides = []
  for (const cached of [false, true]) {
    const database = `${name}_${cached ? 'cached' : 'plain'}`
    await cluster.exec(`create database ${database} owner ${USER}`)
    const { db, cacheops } = connect(cluster, database, { cached, cacheFirst })
    const figures = cached ? watch(cacheops) : undefined
    const migrated = await migrate(db)
    await fill(db)
    sides.push({ database, db, cacheops, figures, migrated, services: servicesOn(db, cached) })
  }
  return { plain: sides[0], cached: sides[1] }
}

/** Every row of every table, in the order of the texts. */
async function contents(db) {
  const { rows: tables } =
    await sql`select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1`.execute(
      db,
    )
  const all = {}
  for (const { name } of tables) {
    const { rows } = await sql
      .raw(`select (to_jsonb(t) - 'updated_at' - 'logged_at' - 'timestamp')::text as row from ${name} t order by 1`)
      .execute(db)
    all[name] = rows.map(({ row }) => row)
  }
  return all
}

/** One operation after the other, each on both databases. Gives what differed. */
async function inTurn({ plain, cached }, { seed, steps, say }) {
  const random = new Random(seed)
  const draw = operationsFor({ random, tenantOf: (from) => hot(from, TENANTS) })
  const differences = []
  const done = {}
  let errors = 0
  for (let step = 0; step < steps; step++) {
    const { name, run } = draw({ writing: WRITING, sharedToo: true })
    const expected = await outcomeOf(() => run(plain.services))
    const found = await outcomeOf(() => run(cached.services))
    done[name] = (done[name] ?? 0) + 1
    if (expected.startsWith('error')) errors++
    if (found !== expected) differences.push({ step, name, expected, found })
    if (say !== undefined && step % 1000 === 999) say(`${step + 1} operations`)
  }
  return { differences, done, errors }
}

/**
 * Clients at once, each with what one tenant has, on the cached database alone: a read must be what the database says, as
 * nobody else changes it; and of what all share (counters) no read may be older than a write that had returned.
 */
async function atOnce(cluster, { cached }, { seed, steps, clients = 8 }) {
  const plain = connect(cluster, cached.database, { cached: false, max: 8 })
  const truth = servicesOn(plain.db, false)
  const differences = []
  const floors = new Map()
  let compared = 0
  // Two clients of one tenant would change what the other reads; those beyond the tenants only use what is shared.
  const NOT_OWN = new Set([
    'notes',
    'add note',
    'all notes',
    'sizes',
    'statuses',
    'queue sizes',
    'counters',
    'audited',
    'work',
    'enqueue',
    'exclusively',
    'report',
    'sales',
    'balance',
    'statement',
    'book',
    'dashboard',
    'import',
  ])
  const work = async (client) => {
    const random = new Random(seed * 100 + client)
    const draw = operationsFor({ random, tenantOf: () => client })
    for (let step = 0; step < steps; step++) {
      if (client > TENANTS || random.chance(0.3)) await useCounters(random, client)
      else {
        const { name, reads, run } = draw({ writing: WRITING, sharedToo: false })
        if (NOT_OWN.has(name)) continue
        const found = await outcomeOf(() => run(cached.services))
        if (!reads) continue
        compared++
        const expected = await outcomeOf(() => run(truth))
        if (found !== expected) differences.push({ client, step, name, expected, found })
      }
    }
  }
  const useCounters = async (random, client) => {
    if (random.chance(0.3)) {
      const id = 1 + random.below(16)
      const [row] = await cached.db
        .updateTable('counters')
        .set((eb) => ({ value: eb('value', '+', 1) }))
        .where('id', '=', id)
        .returning('value')
        .execute()
      floors.set(id, Math.max(floors.get(id) ?? 0, Number(row.value)))
    } else {
      const before = new Map(floors)
      const rows = await cached.services.people.counters(random.below(4))
      compared++
      for (const { id, value } of rows) {
        if (Number(value) < (before.get(id) ?? 0))
          differences.push({ client, name: 'counters', expected: `≥ ${before.get(id)}`, found: value })
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: clients }, (_, index) => work(index + 1)))
  } finally {
    await plain.db.destroy()
  }
  return { differences, compared }
}

/** The whole: migrations, a scenario in turn, the contents, clients at once. */
async function runScenario(cluster, { seed, steps, concurrentSteps, say }) {
  const sides = await open(cluster, `erp_${seed}`, { cacheFirst: seed % 2 === 0 })
  const { plain, cached } = sides
  try {
    const start = { hits: cached.figures.hits, misses: cached.figures.misses }
    const serial = await inTurn(sides, { seed, steps, say })
    const inTurnHits = cached.figures.hits - start.hits
    const inTurnMisses = cached.figures.misses - start.misses
    const [expected, found] = [await contents(plain.db), await contents(cached.db)]
    const concurrent = await atOnce(cluster, sides, { seed, steps: concurrentSteps })
    return {
      migrated: { plain: plain.migrated, cached: cached.migrated },
      serial: { ...serial, hits: inTurnHits, misses: inTurnMisses },
      contents: { expected, found },
      concurrent: { ...concurrent, hits: cached.figures.hits - start.hits - inTurnHits },
      figures: cached.figures,
    }
  } finally {
    await plain.db.destroy()
    await cached.db.destroy()
  }
}

module.exports = { runScenario }
