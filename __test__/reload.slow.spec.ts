import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import test from 'ava'

test('1,200 plugin objects, one after the other: hits and writes go through all of them, and nothing of them stays', async (t) => {
  const program = fileURLToPath(new URL('support/reloading-program.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program])
  const seen = JSON.parse(stdout) as Record<'rounds' | 'heard' | 'hits' | 'left' | 'grown', number> & {
    listeners: number[]
    doubled: number[]
  }
  t.is(seen.heard, 2 * seen.rounds)
  t.is(seen.hits, seen.rounds - 1)
  t.true(seen.left <= 3, `${seen.left} are left`)
  t.true(seen.grown < 2e6, `the heap has grown by ${seen.grown} bytes`)
  t.deepEqual(seen.doubled, seen.listeners)
})
