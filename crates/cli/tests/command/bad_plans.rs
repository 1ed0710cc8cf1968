//! A plan that is none is told with file, place and reason, and leaves nothing behind.

use crate::support::Folder;

const TASK: &str = r#"{"title": "t", "objective": "o", "acceptanceCriteria": [], "verificationSteps": [], "allowedPaths": []}"#;

/// A plan whose third task, in line 4, is this text.
fn with_third_task(task: &str) -> String {
    format!("{{\"goal\": \"g\", \"repoPath\": \"/r\", \"tasks\": [\n{TASK},\n{TASK},\n{task}\n]}}")
}

fn assert_refused(plan: &[u8], reason: &str) {
    let folder = Folder::new();
    folder.write("bad.json", plan);
    for store in [None, Some("sqlite:demo.db"), Some("redb:demo.redb")] {
        let mut demo = vec!["demo", "--plan", "bad.json"];
        demo.extend(store.iter().flat_map(|store| ["--store", store]));
        let told = folder.fail(demo);
        assert!(told.starts_with("error: bad.json is no plan: "), "{told}");
        assert!(told.contains(reason), "{told} lacks {reason}");
        assert_eq!(folder.files(), ["bad.json"], "{reason}");
    }
}

#[test]
fn a_task_that_is_none_is_told_with_its_path_its_line_and_the_reason() {
    let task = |field: &str, value: &str| {
        let named = format!("\"{field}\"");
        assert!(TASK.contains(&named));
        let mut task: serde_json::Value = serde_json::from_str(TASK).unwrap();
        task[field] = serde_json::from_str(value).unwrap();
        with_third_task(&task.to_string())
    };
    let cases = [
        (
            task("title", "\"\""),
            "tasks[2].title: must not be empty at line 4",
        ),
        (
            task("title", "\" \\t\""),
            "tasks[2].title: must not be empty at line 4",
        ),
        (
            task("title", "5"),
            "tasks[2].title: invalid type: integer `5`, expected a string at line 4",
        ),
        (
            task("objective", "null"),
            "tasks[2].objective: invalid type: null, expected a string at line 4",
        ),
        (
            task("acceptanceCriteria", "\"all\""),
            "tasks[2].acceptanceCriteria: invalid type: string \"all\"",
        ),
        (
            task("verificationSteps", "[\"a\", 1]"),
            "tasks[2].verificationSteps[1]: invalid type: integer `1`",
        ),
        (
            task("allowedPaths", "{}"),
            "tasks[2].allowedPaths: invalid type: map",
        ),
        (
            with_third_task("null"),
            "tasks[2]: invalid type: null, expected a task",
        ),
        (
            with_third_task("{}"),
            "tasks[2]: missing field `title` at line 4",
        ),
        (
            with_third_task("{\"title\": \"t\"}"),
            "tasks[2]: missing field `objective` at line 4",
        ),
        (
            with_third_task("{\"titel\": \"t\"}"),
            "tasks[2].titel: unknown field `titel`",
        ),
        (
            with_third_task("{\"title\": \"t\", \"title\": \"t\"}"),
            "duplicate field `title` at line 4",
        ),
    ];
    for (plan, reason) in cases {
        assert_refused(plan.as_bytes(), reason);
    }
}

/// A plan whose third task has these fields too.
fn with_third_task_having(fields: &str) -> String {
    let task = TASK.strip_suffix('}').unwrap();
    with_third_task(&format!("{task}, {fields}}}"))
}

#[test]
fn what_is_wrong_with_the_order_of_a_plan_is_told_with_its_place() {
    let id = "00000000-0000-0000-0000-00000000000a";
    let unknown = format!(r#""dependsOn": [0, {{"taskId": "{id}"}}]"#);
    let unknown_told = format!("tasks[2].dependsOn[1]: names task {id}, which is no task of this");
    let cases = [
        (
            r#""priority": "high""#,
            "tasks[2].priority: invalid type: string \"high\", expected i32 at line 4",
        ),
        (
            r#""priority": 3000000000"#,
            "tasks[2].priority: invalid value: integer `3000000000`, expected i32",
        ),
        (
            r#""maxAttempts": 0"#,
            "tasks[2].maxAttempts: is 0; it must be at least 1",
        ),
        (
            r#""maxAttempts": -1"#,
            "tasks[2].maxAttempts: invalid value: integer `-1`, expected u32",
        ),
        (
            r#""notBefore": "tomorrow""#,
            "tasks[2].notBefore: \"tomorrow\" is no time like 2026-03-01T10:00:01Z: ",
        ),
        (
            r#""dependsOn": 0"#,
            "tasks[2].dependsOn: invalid type: integer `0`, expected a sequence",
        ),
        (
            r#""dependsOn": [0, true]"#,
            "tasks[2].dependsOn[1]: expected a draft's index, a draft's key, or {\"taskId\"",
        ),
        (
            r#""dependsOn": [1, 3]"#,
            "tasks[2].dependsOn[1]: names draft 3; the plan has 3 drafts, counted from 0",
        ),
        (
            r#""dependsOn": ["build"]"#,
            "tasks[2].dependsOn[0]: names key \"build\", which no draft of the plan has",
        ),
        (
            r#""key": "me", "dependsOn": ["me"]"#,
            "tasks[2].dependsOn: lead back to itself: tasks[2] -> tasks[2]",
        ),
        (&unknown, &unknown_told),
        (r#""depends_on": [0]"#, "tasks[2].depends_on: unknown field"),
        (r#""id": "7""#, "tasks[2].id: "),
    ];
    for (fields, reason) in cases {
        assert_refused(with_third_task_having(fields).as_bytes(), reason);
    }
    let replan = TASK.replace('}', r#", "dependsOn": [1]}"#);
    let plan = format!(
        r#"{{"goal": "g", "repoPath": "", "tasks": [{TASK}, {TASK}], "replan": [{replan}]}}"#
    );
    assert_refused(plan.as_bytes(), "replan[0].dependsOn[0]: names draft 1");
}

#[test]
fn a_plan_that_is_none_is_told_with_its_place_and_the_reason() {
    let cases = [
        (
            "".to_owned(),
            "EOF while parsing a value at line 1 column 0",
        ),
        ("hello".to_owned(), "expected value at line 1 column 1"),
        ("{".to_owned(), "EOF while parsing an object at line 1"),
        (
            "5".to_owned(),
            "expected an object with goal, repoPath and tasks, or a list of tasks",
        ),
        ("[]".to_owned(), "there must be at least one task at line 1"),
        (format!("[{TASK}] and"), "trailing characters at line 1"),
        (
            format!("[{TASK}, {{}}]"),
            "[1]: missing field `title` at line 1",
        ),
        (
            r#"{"goal": "g", "repoPath": "/r", "tasks": []}"#.to_owned(),
            "tasks: there must be at least one task at line 1",
        ),
        (
            r#"{"goal": "g", "repoPath": "/r"}"#.to_owned(),
            "missing field `tasks` at line 1",
        ),
        (
            format!(r#"{{"goal": "", "repoPath": "/r", "tasks": [{TASK}]}}"#),
            "goal: must not be empty at line 1",
        ),
        (
            format!(r#"{{"goal": "g", "repoPath": "/r", "tasks": [{TASK}], "replan": [{{}}]}}"#),
            "replan[0]: missing field `title`",
        ),
        (
            format!(r#"{{"goal": "g", "repoPath": "/r", "tasks": [{TASK}], "owner": 1}}"#),
            "owner: unknown field `owner`",
        ),
    ];
    for (plan, reason) in cases {
        assert_refused(plan.as_bytes(), reason);
    }
    assert_refused(b"[{\"title\": \"\xff\"}]", "[0].title: invalid unicode");
}

#[test]
fn a_task_that_is_a_list_of_its_values_is_refused_wherever_it_stands() {
    let list = r#"["t", "o", [], [], []]"#;
    let expected = "invalid type: sequence, expected a task, which is an object at line";
    let cases = [
        (
            with_third_task(list),
            format!("no plan: tasks[2]: {expected} 4 column 0"),
        ),
        (
            format!("[{TASK},\n {list}]"),
            format!("no plan: [1]: {expected} 2 column 1"),
        ),
        (
            format!(
                "{{\"goal\": \"g\", \"repoPath\": \"/r\", \"tasks\": [{TASK}],\n\"replan\": [{list}]}}"
            ),
            format!("no plan: replan[0]: {expected} 2 column 11"),
        ),
    ];
    for (plan, reason) in cases {
        assert_refused(plan.as_bytes(), &reason);
    }
}

#[test]
fn a_plan_in_another_encoding_is_told_to_be() {
    let plan = format!("[{TASK}]");
    let marked = format!("\u{feff}{plan}");
    assert_refused(
        marked.as_bytes(),
        "no plan: it begins with a byte order mark",
    );
    for text in [plan, marked] {
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for plan in [little, big] {
            assert_refused(&plan, "no plan: it is in UTF-16; save it as UTF-8");
        }
    }
}

#[test]
fn a_plan_that_was_cut_off_is_told_with_the_place_that_is_left() {
    let cases = [
        (r#"{"goal": "g", "tasks": [{"#, "no plan: tasks[0]: EOF"),
        (
            r#"{"goal": "g", "tasks": [{"titl"#,
            "no plan: tasks[0]: EOF",
        ),
        (
            r#"{"goal": "g", "tasks": [{"title": "t", "#,
            "no plan: tasks[0]: EOF",
        ),
        (
            r#"{"goal": "g", "tasks": [{"title": "t"#,
            "no plan: tasks[0].title: EOF",
        ),
        (r#"[{"title": "t""#, "no plan: [0]: EOF"),
        (r#"{"goal": "g", "#, "no plan: EOF"),
        // A name that a plan really has.
        (r#"[{"?": 1}]"#, "no plan: [0].?: unknown field"),
    ];
    for (plan, reason) in cases {
        assert_refused(plan.as_bytes(), reason);
    }
}

#[test]
fn a_plan_over_a_bound_of_the_store_is_refused_before_there_is_a_store() {
    let objective = "o".repeat(17 * 1024 * 1024);
    let task = TASK.replace("\"o\"", &format!("\"{objective}\""));
    let plan = with_third_task(&task);
    assert_refused(plan.as_bytes(), "tasks[2].objective: takes its record over");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_the_reason() {
    let folder = Folder::new();
    let told = folder.fail(["demo", "--plan", "missing.json"]);
    assert!(
        told.contains("cannot read the plan missing.json: No such file"),
        "{told}"
    );
    let told = folder.fail(["demo", "--plan", "."]);
    assert!(told.contains("cannot read the plan .: "), "{told}");
    assert_eq!(folder.files(), [""; 0]);
}
