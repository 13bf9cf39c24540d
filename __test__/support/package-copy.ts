import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import type { ExecutionContext } from 'ava'

import type * as Package from '../../ts/index.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** This package once more: another folder, with an addon file of its own. Kysely is the same. */
export interface PackageCopy {
  readonly folder: string
  /** of its `index.ts` */
  readonly url: string
  load(): Promise<typeof Package>
}

/** @param change of the text of one of its files */
export function copyPackage(
  t: ExecutionContext,
  change?: { readonly file: string; readonly find: string; readonly replace: string },
): PackageCopy {
  const folder = mkdtempSync(join(tmpdir(), 'cacheops-copy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // NOTE: never links, for a test takes parts away.
  const how = { recursive: true, dereference: true }
  for (const part of ['ts', 'native', 'package.json']) cpSync(join(ROOT, part), join(folder, part), how)
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  if (change !== undefined) {
    const path = join(folder, change.file)
    const text = readFileSync(path, 'utf8')
    t.true(text.includes(change.find))
    writeFileSync(path, text.replace(change.find, change.replace))
  }
  const { href } = pathToFileURL(join(folder, 'ts', 'index.ts'))
  return { folder, url: href, load: () => import(href) as Promise<typeof Package> }
}
