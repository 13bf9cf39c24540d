/** What the package says where it cannot work, or not alone. */
import { execFile } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

import test from 'ava'

import { copyPackage } from './support/package-copy.ts'

const run = promisify(execFile)

/** The codes that processes with the plugin warned with. */
async function warnings(args: readonly string[], environment: Record<string, string> = {}): Promise<string[]> {
  const program = fileURLToPath(new URL('support/process-program.ts', import.meta.url))
  const { NODE_ENV: _, ...env } = process.env
  const { stdout } = await run(process.execPath, [program, ...args], { env: { ...env, ...environment } })
  return stdout.split('\n').filter((line) => line !== '')
}

const SINGLE = 'CACHEOPS_SINGLE_PROCESS'

test('each worker of a cluster warns once, unless the store was chosen', async (t) => {
  t.deepEqual(await warnings(['2']), [SINGLE, SINGLE])
  t.deepEqual(await warnings(['2'], { CACHEOPS_ENABLED: '0' }), [])
  t.deepEqual(await warnings(['2', 'embedded'], { NODE_ENV: 'production' }), [])
})

test('so do the further instances of pm2', async (t) => {
  t.deepEqual(await warnings([], { NODE_APP_INSTANCE: '1' }), [SINGLE])
  t.deepEqual(await warnings([], { NODE_APP_INSTANCE: '0', pm_id: '3' }), [])
  t.deepEqual(await warnings(['0', 'embedded'], { NODE_APP_INSTANCE: '1' }), [])
})

/** What importing the package fails with in a process of its own. */
async function failure(url: string, before = ''): Promise<{ readonly code: string; readonly message: string }> {
  const script = `${before}; import(${JSON.stringify(url)}).then(
    () => console.log('{}'), ({ code, message }) => console.log(JSON.stringify({ code, message })))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script])
  return JSON.parse(stdout) as { code: string; message: string }
}

test('without its addon the package names the platform', async (t) => {
  const copy = copyPackage(t)
  const native = join(copy.folder, 'native')
  for (const name of readdirSync(native)) if (name.endsWith('.node')) rmSync(join(native, name))
  const { code, message } = await failure(copy.url)
  t.is(code, 'CACHEOPS_NATIVE_MISSING')
  t.true(message.includes(`for ${process.platform}-${process.arch} could not be loaded`), message)
  t.regex(message, /without `--omit=optional`/)
})

test('away from its addon it says how bundlers leave it alone', async (t) => {
  const copy = copyPackage(t)
  rmSync(join(copy.folder, 'native'), { recursive: true })
  const { code, message } = await failure(copy.url)
  t.is(code, 'CACHEOPS_NATIVE_MISSING')
  t.regex(message, /bundled.*serverExternalPackages: \['cacheops', 'kysely'\]/)
})

test('a Node that is too old is told so before anything else', async (t) => {
  const { href } = pathToFileURL(fileURLToPath(new URL('../ts/index.ts', import.meta.url)))
  const { code, message } = await failure(href, `Object.defineProperty(process.versions, 'node', { value: '21.7.3' })`)
  t.is(code, 'CACHEOPS_UNSUPPORTED_NODE')
  t.regex(message, /needs Node 22 or newer, and this is 21\.7\.3/)
})
