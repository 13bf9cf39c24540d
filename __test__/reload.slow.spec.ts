import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import test from 'ava'

/** What V8 compiles while the program runs is no leak, but would be counted as one. */
const FLAGS = ['--expose-gc', '--no-opt', '--no-maglev', '--no-sparkplug', '--no-flush-bytecode']

test('2,000 plugin objects, one after the other: hits and writes go through all of them, and nothing of them stays', async (t) => {
  const program = fileURLToPath(new URL('support/reloading-program.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, program])
  const seen = JSON.parse(stdout) as Record<'rounds' | 'heard' | 'hits' | 'left', number> &
    Record<'grown' | 'listeners' | 'doubled', number[]>
  t.is(seen.rounds, 2000)
  t.is(seen.heard, 2 * seen.rounds)
  t.is(seen.hits, seen.rounds - 1)
  t.true(seen.left <= 3, `${seen.left} are left`)
  // The smallest object takes more: a list of weak references, one a round, showed as 44 bytes.
  t.true(Math.max(...seen.grown.slice(3)) < 8, `the heap grows by ${seen.grown.join(', ')} bytes a round`)
  t.deepEqual(seen.doubled, seen.listeners)
})
