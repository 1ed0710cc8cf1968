//! What the facade's tests share.

/// The URL of a new store of the backend, with its files in the folder or a schema of the folder's name.
pub(crate) fn url(backend: &str, folder: &tempfile::TempDir) -> String {
    match backend {
        "memory" => "memory:".to_owned(),
        "postgres" => {
            let server = runstore_postgres_testing::url().unwrap();
            let schema = folder.path().file_name().unwrap().to_str().unwrap();
            let schema = schema.trim_start_matches('.').to_lowercase();
            format!("{server}?schema=test_{schema}")
        }
        file => format!("{file}:{}", folder.path().join("runs").display()),
    }
}
