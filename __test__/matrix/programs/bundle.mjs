/** `node bundle.mjs <tool> <format> <folder> <external, separated by commas>`: bundles `application.mjs` into `<folder>/bundle.(mjs|cjs)`. */
import { resolve } from 'node:path'

const [tool, format, folder, list] = process.argv.slice(2)
const input = resolve('application.mjs')
const external = list.split(',')
const file = resolve(folder, format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs')

async function viaRollup({ rollup, rolldown }) {
  const build = await (rolldown ?? rollup)({ input, external: (id) => external.includes(id) || id.startsWith('node:') })
  await build.write({ file, format: format === 'cjs' ? 'cjs' : 'es' })
}

const TOOLS = {
  async esbuild() {
    const { build } = await import('esbuild')
    const left = list === 'packages' ? { packages: 'external' } : { external }
    await build({
      entryPoints: [input],
      outfile: file,
      bundle: true,
      platform: 'node',
      format,
      logLevel: 'error',
      ...left,
    })
  },
  rollup: async () => viaRollup(await import('rollup')),
  rolldown: async () => viaRollup(await import('rolldown')),
  async vite() {
    const { build } = await import('vite')
    await build({
      configFile: false,
      logLevel: 'error',
      ssr: { external },
      build: { ssr: input, outDir: folder, rollupOptions: { output: { entryFileNames: 'bundle.mjs' } } },
    })
  },
  async webpack() {
    const { default: webpack } = await import('webpack')
    const stats = await new Promise((done, fail) => {
      const config = {
        mode: 'production',
        target: 'node',
        entry: input,
        output: { path: resolve(folder), filename: 'bundle.mjs', module: true, chunkFormat: 'module' },
        experiments: { outputModule: true },
        externalsType: 'module',
        externals: external,
      }
      webpack(config, (error, result) => (error ? fail(error) : done(result)))
    })
    if (stats.hasErrors()) throw new Error(stats.toString())
  },
}
await TOOLS[tool]()
