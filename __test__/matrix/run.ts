/**
 * `npm run matrix -- runtimes [--markdown] [--only …]`: tries everything that the package is said to work with, and
 * demands that `docs/compatibility.md` says just that. Without a name: all parts but `kysely-suites`, which takes hours.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { markdown } from './table.ts'
import type { Part } from './table.ts'
import { ROOT } from './tools.ts'

const PARTS = ['kysely', 'runtimes']
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { markdown: { type: 'boolean', default: false }, only: { type: 'string' } },
})

let passed = 0
let failed = 0
for (const name of positionals.length > 0 ? positionals : PARTS) {
  const { heading, columns, rows } = (await import(`./${name}.ts`)) as Part
  const only = new RegExp(values.only ?? '', 'i')
  const chosen = rows.filter(({ cells }) => only.test(cells.join(' | ')))
  if (values.markdown) {
    process.stdout.write(markdown(columns, chosen))
    continue
  }
  for (const row of chosen) {
    const { cells } = row
    const { holds, said } = await row.run().then(
      (figures) => ({ holds: true, said: figures ?? '' }),
      (error: unknown) => ({ holds: false, said: error instanceof Error ? error.message : String(error) }),
    )
    if (holds) passed++
    else failed++
    process.stdout.write(`${holds ? '✔' : '✘'} ${cells.join(' | ')}${said === '' ? '' : `\n    ${said}`}\n`)
  }
  if (values.only !== undefined) continue
  const path = 'docs/compatibility.md'
  const section = readFileSync(join(ROOT, path), 'utf8')
    .split(/^(?=## )/m)
    .find((text) => text.startsWith(heading))
  if (section?.includes(markdown(columns, rows)) === true) passed++
  else {
    failed++
    process.stdout.write(
      `✘ ${path} does not have the table as it is now: npm run matrix -- ${name} --markdown\n\n${markdown(columns, rows)}\n`,
    )
  }
}
if (!values.markdown) {
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}
