import test from 'ava'
import type { ExecutionContext } from 'ava'
import { join } from 'node:path'

import { Application, projectPackage } from './matrix/application.ts'
import type { Source } from './matrix/application.ts'

const VERSIONS = { '0.28': 'kysely-0.28', '0.29': 'kysely', '0.30': 'kysely-0.30' } as const

function application(t: ExecutionContext, version: keyof typeof VERSIONS, source: Source): Application {
  const made = new Application(projectPackage(VERSIONS[version]), source)
  t.teardown(() => made[Symbol.dispose]())
  return made
}

async function runs(
  t: ExecutionContext,
  app: Application,
  program: string,
  ...args: readonly string[]
): Promise<string> {
  const printed = app.run(program, ...args)
  await t.notThrowsAsync(printed)
  return printed
}

for (const version of ['0.28', '0.30'] as const) {
  for (const program of ['esm.mjs', 'required.cjs', 'imported.cjs']) {
    test(`Kysely ${version}: every feature, ${program}`, async (t) => {
      await runs(t, application(t, version, 'sources'), program)
    })
  }
}

for (const version of ['0.28', '0.29', '0.30'] as const) {
  test(`Kysely ${version}: nothing tells a result or an error from one without the plugin`, async (t) => {
    await runs(t, application(t, version, 'sources'), 'transparent.mjs')
  })
}

test('Kysely 0.28: both builds in one process share a plugin object', async (t) => {
  t.is(await runs(t, application(t, '0.28', 'sources'), 'both.mjs'), 'two builds\n')
})

test('Kysely 0.28: both builds, which come after the plugin', async (t) => {
  t.is(await runs(t, application(t, '0.28', 'sources'), 'late.cjs'), 'two builds\n')
})

test('as it is installed: dist/, required by an application in CommonJS', async (t) => {
  await runs(t, application(t, '0.28', 'installed'), 'required.cjs')
})

for (const version of ['0.28', '0.30'] as const) {
  test(`Kysely ${version}: declarations, in modules of both kinds`, async (t) => {
    await t.notThrowsAsync(application(t, version, 'installed').typecheck())
  })
}

test('a linked package finds the copy of the application, though it resolves another', async (t) => {
  t.is(await runs(t, application(t, '0.28', 'linked'), 'both.mjs'), 'two builds\n')
})

test('the package twice in one process: what one drops, the other drops', async (t) => {
  await runs(t, application(t, '0.29', 'sources').addSecondCopy(), 'twice.mjs')
})

/** Copies that nobody finds: the application's, another's, and where that one has its modules. */
const UNFOUND = [
  ['0.29', '0.30', 'dist/index.js'],
  ['0.29', '0.28', 'dist/esm/index.js'],
  ['0.28', '0.29', 'dist/index.js'],
] as const
for (const [version, foreign, entry] of UNFOUND) {
  test(`Kysely ${version}: an instance of a copy of ${foreign} that nobody finds is refused before it executes anything`, async (t) => {
    const folder = 'dialect/node_modules/kysely'
    const app = application(t, version, 'sources').copy(folder, projectPackage(VERSIONS[foreign]))
    await runs(t, app, 'foreign.mjs', join(app.folder, 'node_modules', folder, entry))
  })
}

test('a copy that a dialect brings for itself is no fault', async (t) => {
  const app = application(t, '0.29', 'sources').copy('dialect/node_modules/kysely', projectPackage('kysely-0.28'))
  await runs(t, app, 'nested.mjs', join(app.folder, 'node_modules/dialect/node_modules/kysely/dist/esm/index.js'))
})

test('a copy that CommonJS has loaded is found wherever it lies', async (t) => {
  const app = application(t, '0.29', 'sources').copy('dialect/node_modules/kysely', projectPackage('kysely-0.28'))
  await runs(t, app, 'loaded.cjs', join(app.folder, 'node_modules/dialect/node_modules/kysely/dist/cjs/index.js'))
})
