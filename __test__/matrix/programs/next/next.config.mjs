export default {
  serverExternalPackages: (process.env.EXTERNAL ?? 'cacheops,kysely,better-sqlite3').split(','),
}
