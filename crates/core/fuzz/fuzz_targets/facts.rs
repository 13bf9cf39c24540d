//! The tables that every target knows.

/// Columns of every kind, a key, a view, a partition, functions of all natures.
pub const FACTS: &str = r#"{"searchPath":["public","main"],"returningOld":true,"tables":[
{"schema":"public","name":"t","kind":"table","columns":[{"name":"a","kind":"int"},{"name":"b","kind":"text"},{"name":"c","kind":"bool"}],"keys":[["a"]]},
{"schema":"public","name":"u","kind":"table","columns":[{"name":"a","kind":"int"},{"name":"d","kind":"numeric"},{"name":"e","kind":"uuid"}]},
{"schema":"public","name":"track","kind":"table","columns":[{"name":"id","kind":"int"},{"name":"album_id","kind":"int"},{"name":"name","kind":"text"},{"name":"price","kind":"numeric"},{"name":"live","kind":"bool"},{"name":"data","kind":"other"}],"keys":[["id"]]},
{"schema":"public","name":"album","kind":"table","columns":[{"name":"id","kind":"int"},{"name":"artist_id","kind":"int"},{"name":"title","kind":"text"}],"keys":[["id"]]},
{"schema":"public","name":"part","kind":"partitioned","root":{"schema":"public","name":"whole"},"columns":[{"name":"id","kind":"date"}]},
{"schema":"public","name":"hits","kind":"view","columns":[{"name":"id","kind":"int"}],"base":[{"schema":"public","name":"t"}]},
{"schema":"main","name":"s","kind":"table","rowid":true,"columns":[{"name":"a","kind":"sqlite_numeric"},{"name":"b","kind":"sqlite_text"},{"name":"c","kind":"sqlite_text_nocase"}],"keys":[["a"]]}
],"functions":[{"name":"f_v","volatility":"v"},{"name":"f_none","volatility":"v","declaredWrites":[]}]}"#;
