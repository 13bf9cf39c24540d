'use strict'

// npm test -- --all runs this for longer than the spec does: node __test__/app/run.cjs [--steps N] [--seed S] [--clients-steps N]

const { isDeepStrictEqual, parseArgs } = require('node:util')

const { startCluster } = require('../support/postgres-cluster.ts')
const { runScenario } = require('./scenario.cjs')

async function main() {
  const { values } = parseArgs({
    options: {
      steps: { type: 'string', default: '6000' },
      seed: { type: 'string', default: '2' },
      'client-steps': { type: 'string', default: '400' },
    },
  })
  const warnings = []
  process.on('warning', ({ name, message }) => warnings.push(`${name}: ${message}`))
  const cluster = await startCluster({ settings: ['max_locks_per_transaction=512'] })
  try {
    const started = performance.now()
    const { serial, concurrent, contents, figures } = await runScenario(cluster, {
      seed: Number(values.seed),
      steps: Number(values.steps),
      concurrentSteps: Number(values['client-steps']),
      say: console.log,
    })
    for (const { name, step, client, expected, found } of [...serial.differences, ...concurrent.differences].slice(
      0,
      3,
    )) {
      console.log(
        `DIFFERENT ${name}, step ${step}${client ? `, client ${client}` : ''}\nexpected ${expected}\nfound ${found}`,
      )
    }
    const same = isDeepStrictEqual(contents.expected, contents.found)
    const { hits, misses, drops, widened, bypassed, faults } = figures
    const read = serial.hits + serial.misses
    console.log(
      `in turn: ${values.steps} operations, ${serial.errors} of them refused, ${serial.hits} hits, ${serial.misses} misses (${Math.round((100 * serial.hits) / read)} %), ${serial.differences.length} different; contents ${same ? 'the same' : 'DIFFERENT'}`,
    )
    console.log(
      `at once: ${concurrent.compared} reads compared, ${concurrent.hits} hits, ${concurrent.differences.length} different`,
    )
    console.log(
      JSON.stringify(
        { hits, misses, drops, widened, bypassed, faults, warnings, seconds: (performance.now() - started) / 1000 },
        undefined,
        1,
      ),
    )
    const wrong = serial.differences.length + concurrent.differences.length + faults.length
    return wrong > 0 || !same || serial.hits < read / 5 ? 1 : 0
  } finally {
    await cluster.stop()
  }
}

main().then(
  (code) => (process.exitCode = code),
  (error) => {
    console.error(error)
    process.exitCode = 1
  },
)
