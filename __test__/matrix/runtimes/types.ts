/** The declarations, as compilers of users read them: with their libraries checked, too. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Row } from '../table.ts'
import { ROOT, TOOLS, tools } from '../tools.ts'
import { consumer, packed, versionsOf } from './consumer.ts'
import { execute } from './execute.ts'

const STRICT = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  allowImportingTsExtensions: true,
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
}
const BROWSER = { lib: [...STRICT.lib, 'dom'], types: [] }

interface Setting {
  readonly what: string
  readonly options: Readonly<Record<string, unknown>>
  readonly files: string
  readonly fails?: { readonly text: string; readonly with: RegExp }
}

const TESTS = '*.test-d.ts'
const SETTINGS: readonly Setting[] = [
  { what: '`module: nodenext`', options: { module: 'nodenext' }, files: TESTS },
  { what: '`module: nodenext`, CommonJS (`.cts`)', options: { module: 'nodenext' }, files: 'common.cts' },
  { what: '`module: node16`', options: { module: 'node16' }, files: TESTS },
  {
    what: '`module: node16`, CommonJS (`.cts`)',
    options: { module: 'node16' },
    files: 'common.cts',
    fails: { text: 'TS1479: this setting knows no `require` of ES modules; use `nodenext`', with: /TS1479/ },
  },
  {
    what: '`moduleResolution: bundler`, without `@types/node`',
    options: { module: 'esnext', moduleResolution: 'bundler', ...BROWSER },
    files: TESTS,
  },
]

let project: Promise<string> | undefined

/** The type tests of the project, as if they were a user's. */
async function create(): Promise<string> {
  const folder = await consumer('typed', versionsOf(['@types/node', '@types/better-sqlite3']))
  const tests = join(ROOT, '__test__', 'types')
  writeFileSync(join(folder, 'tsconfig.json'), '{ "files": [] }')
  mkdirSync(join(folder, 'typed'))
  writeFileSync(join(folder, 'typed', 'package.json'), '{ "type": "module" }')
  for (const name of readdirSync(tests).filter((file) => file.endsWith('.ts'))) {
    const text = readFileSync(join(tests, name), 'utf8')
    writeFileSync(join(folder, 'typed', name), text.replaceAll("'../../dist/index.js'", "'cacheops'"))
  }
  writeFileSync(join(folder, 'typed', 'common.cts'), readFileSync(join(folder, 'common.cts')))
  return folder
}

async function compile(compiler: string, { options, files, fails }: Setting): Promise<void> {
  const folder = await (project ??= create())
  const tsconfig = join(folder, 'typed', 'tsconfig.json')
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions: { ...STRICT, ...options }, include: [files] }))
  const tsc = join(tools('types'), 'node_modules', compiler, 'bin', 'tsc')
  const { code, stdout, stderr } = await execute(process.execPath, [tsc, '-p', tsconfig], {
    cwd: folder,
    mayFail: true,
  })
  if (fails === undefined ? code === 0 : code !== 0 && fails.with.test(stdout)) return
  throw new Error(`${stdout}\n${stderr}`.slice(0, 2500))
}

const COMPILERS = ['typescript-5', 'typescript-6', 'typescript-7'] as const

async function publint(): Promise<void> {
  const [archive] = Object.values(await packed())
  const folder = tools('types')
  const cli = join(folder, 'node_modules', 'publint', 'src', 'cli.js')
  await execute(process.execPath, [cli, '--strict', archive!.replace('file:', '')], { cwd: folder })
}

async function areTheTypesWrong(): Promise<void> {
  const [archive] = Object.values(await packed())
  const folder = tools('types')
  const cli = join(folder, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js')
  await execute(process.execPath, [cli, archive!.replace('file:', '')], { cwd: folder })
}

export const TYPES: readonly Row[] = [
  ...COMPILERS.flatMap((compiler) =>
    SETTINGS.map((setting) => ({
      cells: [
        `TypeScript ${TOOLS.types[compiler].replace(/.*@/, '')}`,
        `${setting.what}, \`strict\`, \`exactOptionalPropertyTypes\`, \`skipLibCheck: false\``,
        setting.fails?.text ?? 'works',
      ],
      run: () => compile(compiler, setting),
    })),
  ),
  { cells: [`publint ${TOOLS.types.publint}`, 'the packed package', 'nothing to say'], run: publint },
  {
    cells: [`attw ${TOOLS.types['@arethetypeswrong/cli']}`, 'the packed package', 'nothing to say'],
    run: areTheTypesWrong,
  },
]
