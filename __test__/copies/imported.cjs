// An application in CommonJS that imports the plugin, and has it before it has Kysely.
async function main() {
  const cacheops = await import('#cacheops')
  const early = cacheops.cacheopsPlugin()
  const kysely = require('kysely')
  const { smoke, shop } = await import('./smoke.mjs')
  const { db } = shop(kysely, { cacheopsPlugin: () => early })
  await db.selectFrom('genre').selectAll().cache().execute()
  await db.withoutPlugins().deleteFrom('genre').execute()
  if ((await db.selectFrom('genre').selectAll().cache().execute()).length > 0) throw new Error('stale')
  await smoke(kysely, cacheops)
}

void main()
