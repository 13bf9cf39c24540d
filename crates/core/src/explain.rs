//! What a plan is, as JSON: for the layer above, for people, for tests.

use serde_json::{Map, Value as Json, json};

use crate::bind::{self, Bound, MAX_CONDITIONS};
use crate::bindings::Bindings;
use crate::expand;
use crate::plan::{Caution, Columns, Control, Op, Read, Statement, Verb, Write};
use crate::schema::TableName;
use crate::shape::Shape;
use crate::value::Parameters;

/// What the layer above needs to know of a shape: its kind and what goes with it.
#[must_use]
pub fn shape(shape: &Shape, id: u32) -> Json {
    let mut info = Map::new();
    info.insert("id".to_owned(), json!(id));
    info.insert("parameters".to_owned(), json!(shape.parameters));
    let (kind, detail) = match &shape.planned.statement {
        Statement::Read(plan) => {
            if let Some(plan) = &plan.writes {
                info.insert("write".to_owned(), write(plan));
            }
            ("read", read(plan, shape))
        }
        Statement::Write(plan) => ("write", write(plan)),
        Statement::Ddl => ("ddl", Json::Null),
        Statement::Control(plan) => ("control", control(plan)),
        Statement::Session {
            detail,
            harmless,
            snapshot,
        } => (
            "session",
            json!({ "detail": detail, "harmless": harmless, "snapshot": snapshot }),
        ),
        Statement::Lock => ("lock", Json::Null),
        Statement::Inert => ("inert", Json::Null),
        Statement::Unparsed { detail, read } => {
            ("unparsed", json!({ "detail": detail, "read": read }))
        }
    };
    info.insert("kind".to_owned(), json!(kind));
    if !detail.is_null() {
        info.insert(kind.to_owned(), detail);
    }
    Json::Object(info)
}

fn read(plan: &Read, shape: &Shape) -> Json {
    let mut info = json!({
        "op": op(plan.op),
        "tables": plan.dependencies.iter().map(|dependency| table(&dependency.table)).collect::<Vec<_>>(),
        "named": plan.named.iter().map(table).collect::<Vec<_>>(),
        "cautions": plan.cautions.iter().map(caution).collect::<Vec<_>>(),
        "remarks": plan.remarks,
        "writes": plan.writes.is_some(),
        "locks": plan.locks,
        "session": plan.session,
    });
    if let Op::GetIfOne(hole) = plan.op {
        // A parameter is what the caller knows; a hole is ours.
        let parameter = shape
            .holes
            .get(hole)
            .and_then(|hole| hole.parameters.first());
        info["limitParameter"] = json!(parameter);
    }
    info
}

fn op(op: Op) -> &'static str {
    match op {
        Op::Get => "get",
        Op::Fetch => "fetch",
        Op::Count => "count",
        Op::Aggregate => "aggregate",
        Op::Exists => "exists",
        Op::GetIfOne(_) => "get_if_one",
    }
}

fn caution(caution: &Caution) -> Json {
    json!({ "code": caution.code, "detail": caution.detail, "overridable": caution.overridable })
}

fn table(table: &TableName) -> Json {
    json!({ "schema": table.schema, "name": table.name })
}

fn write(plan: &Write) -> Json {
    let mut tables: Vec<&TableName> = plan
        .targets
        .iter()
        .filter_map(|target| target.table.as_ref())
        .collect();
    tables.sort_unstable();
    tables.dedup();
    let verb = match plan.targets.as_slice() {
        [target] => match target.verb {
            Verb::Insert => "insert",
            Verb::Upsert => "upsert",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Any => "any",
        },
        _ => "any",
    };
    let mut info =
        json!({ "tables": tables.into_iter().map(table).collect::<Vec<_>>(), "verb": verb });
    let unknown = plan.targets.iter().find(|target| target.table.is_none());
    if let Some(reason) = &plan.everything {
        info["everything"] = json!(reason);
    } else if let Some(target) = unknown {
        info["everything"] = json!(format!("{} is not known", target.named));
    }
    info
}

fn control(control: &Control) -> Json {
    match control {
        Control::Begin { snapshot } => json!({ "verb": "begin", "snapshot": snapshot }),
        Control::Commit { chain } => json!({ "verb": "commit", "chain": chain }),
        Control::Rollback { chain } => json!({ "verb": "rollback", "chain": chain }),
        Control::Savepoint(name) => json!({ "verb": "savepoint", "name": name }),
        Control::RollbackTo(name) => json!({ "verb": "rollback_to", "name": name }),
        Control::Release(name) => json!({ "verb": "release", "name": name }),
        Control::Other => json!({ "verb": "other" }),
    }
}

/// A shape with its parameters: the key and, in words, what its result depends on.
#[must_use]
pub fn bound(shape: &Shape, input: &[u8]) -> Json {
    let key = match bind::bind(shape, input) {
        Bound::Token(key, _) | Bound::InDoubt(key, _) => {
            json!(format!("{:032x}", u128::from_be_bytes(key)))
        }
        Bound::Stale => return json!({ "error": "stale", "key": null, "dependencies": [] }),
        Bound::NoFacts | Bound::NotARead | Bound::BadParameters => Json::Null,
    };
    let mut info = self::shape(shape, 0);
    let Some(read) = shape.planned.read() else {
        info["key"] = key;
        info["dependencies"] = json!([]);
        return info;
    };
    let mut parameters = Parameters::default();
    if parameters.read(input).is_err() {
        parameters = Parameters::default();
    }
    let bindings = Bindings {
        holes: &shape.holes,
        input,
        parameters: &parameters,
    };
    let dependencies = read.dependencies.iter().map(|dependency| {
        let known = shape.planned.facts.as_ref().and_then(|facts| facts.table(&dependency.table));
        let conditions = known.map_or_else(
            || vec!["any row".to_owned()],
            |known| {
                let dialect = shape.database.dialect();
                let rows = expand::rows(known, dialect, &dependency.rows, &bindings, MAX_CONDITIONS);
                rows.iter().map(|row| expand::words(row, Some(known))).collect()
            },
        );
        let columns = match &dependency.columns {
            Columns::All => json!("all"),
            Columns::Some(columns) => json!(columns),
        };
        json!({
            "schema": dependency.table.schema, "table": dependency.table.name, "columns": columns, "conditions": conditions,
        })
    });
    let mut explained = json!({
        "key": key,
        "op": op(read.op),
        "dependencies": dependencies.collect::<Vec<_>>(),
    });
    for field in ["tables", "cautions", "remarks"] {
        explained[field] = info["read"][field].take();
    }
    explained
}
