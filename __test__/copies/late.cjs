// An application in CommonJS that requires the plugin first; both builds of Kysely come after it.
const cacheops = require('#cacheops').cacheopsPlugin()
const required = require('kysely')

async function main() {
  const imported = await import('kysely')
  const { share } = await import('./smoke.mjs')
  await share([required, imported], cacheops)
  console.log(imported.Kysely === required.Kysely ? 'one build' : 'two builds')
}

void main()
