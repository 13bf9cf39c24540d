const { cacheopsPlugin } = require('cacheops')
const { Kysely, sql } = require('kysely')

const [driver, url] = process.argv.slice(2)
Promise.all([import('./shop.mjs'), import('./dialects.mjs')])
  .then(async ([{ show }, { DIALECTS }]) => {
    await show({ cacheopsPlugin, Kysely, sql, dialect: await DIALECTS[driver](url) })
    console.log('shown')
    process.exit(0)
  })
  .catch((error) => {
    console.error(error)
    process.exit(1)
  })
