//! The engine that all plugins share, and the way into it.
//!
//! One wasmtime engine for the process. Instances come from a pool of prepared memory (about twice as fast as asking the
//! system each time); where the address space is too small for the pool, it is made smaller, and without it at last,
//! with the reason said. A thread counts epochs every 10 ms. Everything of WebAssembly that plugins do not need is off.
//!
//! A component is compiled when it is installed, one at a time, bounded in size and complexity before and in time and memory
//! while it runs, in a process of its own where there is a program for that ([`Compiler`]); a call never compiles.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use stanch_contract::{Digest, text};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, Engine, EngineWeak, PoolingAllocationConfig, WasmFeatures};

use crate::cache::{self, Cache, Cached};
use crate::compiler::Compiler;
use crate::error::InstallError;
use crate::host::{self, State};
use crate::inspect::{self, MOST_BYTES};
use crate::limits::{MOST_MEMORY, TABLE_ELEMENTS};
use crate::plugin::{self, Code, Plugin};

/// How often the epoch is counted: how soon a spinning guest gives way, and how exactly its processor time is kept.
const TICK: Duration = Duration::from_millis(10);
/// How long one component may compile. A Python component takes about ten seconds on a slow machine.
const COMPILE_TIME: Duration = Duration::from_secs(120);
/// Core instances that one component may be made of. Python with WASI replaced by stubs: 38.
const INSTANCES: u32 = 64;
/// Tables that one component may have. Python: 13.
const TABLES: u32 = 20;

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Where compiled plugins are kept; made with mode 0700. `None`: compiled at each start.
    pub cache: Option<PathBuf>,
    /// How many calls run at the same time; more wait. At least 1.
    pub calls: u32,
    /// Who compiles. `None`: this process, whose memory is not bounded by that.
    pub compiler: Option<Compiler>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            cache: None,
            calls: 256,
            compiler: None,
        }
    }
}

/// Where instances come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allocation {
    /// From the pool.
    Pooled {
        /// How many calls it serves at the same time.
        calls: u32,
    },
    /// From the system, each time, because the pool could not be made.
    OnDemand {
        /// What the pool's making failed on.
        why: String,
    },
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime does not run here.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The folder of compiled plugins cannot be used.
    #[error("the folder of compiled plugins `{folder}` cannot be used: {why}")]
    Cache {
        /// Which.
        folder: PathBuf,
        /// Why.
        why: std::io::Error,
    },
}

/// The engine with what is installed in it. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    linker: Linker<State>,
    allocation: Allocation,
    cache: Option<Cache>,
    compiler: Option<Compiler>,
    /// Components that were compiled.
    compiled: AtomicU64,
    /// One component compiles at a time: it uses all processors, and much memory.
    compiling: Arc<Semaphore>,
    /// Calls that may run at the same time: as many as the pool holds.
    pub(crate) slots: Semaphore,
    installed: Mutex<HashMap<Digest, Weak<Plugin>>>,
}

impl Sandbox {
    /// Starts an engine.
    ///
    /// # Errors
    /// Where wasmtime does not run on this machine, or the cache's folder is not ours alone.
    pub fn new(options: &SandboxOptions) -> Result<Self, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let (engine, allocation) = engine(options.calls).map_err(failed)?;
        let slots = match allocation {
            Allocation::Pooled { calls } => calls,
            Allocation::OnDemand { .. } => options.calls,
        };
        let mut linker = Linker::new(&engine);
        host::link(&mut linker).map_err(failed)?;
        let cache = match &options.cache {
            None => None,
            Some(folder) => Some(Cache::open(folder, &engine).map_err(|why| SandboxError::Cache {
                folder: folder.clone(),
                why,
            })?),
        };
        count_epochs(engine.weak()).map_err(|error| SandboxError::Engine(error.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                allocation,
                cache,
                compiler: options.compiler.clone(),
                compiled: AtomicU64::new(0),
                compiling: Arc::new(Semaphore::new(1)),
                slots: Semaphore::new(slots as usize),
                installed: Mutex::default(),
            }),
        })
    }

    /// Where instances come from.
    pub fn allocation(&self) -> &Allocation {
        &self.inner.allocation
    }

    /// How many components were compiled since the start: what is in the cache is not, and a call never moves this.
    pub fn compiled(&self) -> u64 {
        self.inner.compiled.load(Ordering::Relaxed)
    }

    /// Installs the component in `file`. Its size is looked at before it is read.
    ///
    /// # Errors
    /// As [`Sandbox::install`], and where the file cannot be read.
    pub async fn install_file(&self, file: &Path) -> Result<Arc<Plugin>, InstallError> {
        self.install(Self::read(file).await?).await
    }

    /// Reads a component's file; one that is too large is not read.
    ///
    /// # Errors
    /// Where it cannot be read, or is too large.
    pub async fn read(file: &Path) -> Result<Arc<[u8]>, InstallError> {
        let unreadable = |error: std::io::Error| InstallError::Unreadable {
            why: error.to_string(),
        };
        let bytes = tokio::fs::metadata(file).await.map_err(unreadable)?.len();
        if bytes > MOST_BYTES {
            return Err(InstallError::TooLarge {
                bytes,
                most: MOST_BYTES,
            });
        }
        Ok(tokio::fs::read(file).await.map_err(unreadable)?.into())
    }

    /// Installs a component: inspects it, compiles it or takes it from the cache, links it, and compares its manifest with
    /// what its code says. The same bytes are installed once, however often this is called.
    ///
    /// # Errors
    /// [`InstallError`] says what is wrong with it.
    pub async fn install(&self, bytes: Arc<[u8]>) -> Result<Arc<Plugin>, InstallError> {
        if bytes.len() as u64 > MOST_BYTES {
            return Err(InstallError::TooLarge {
                bytes: bytes.len() as u64,
                most: MOST_BYTES,
            });
        }
        let digest = Digest::of(&bytes);
        if let Some(plugin) = self.installed(digest) {
            return Ok(plugin);
        }
        let inspected = inspect::inspect(&bytes)?;
        let source = Arc::clone(&bytes);
        let permit = self
            .inner
            .compiling
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        // Somebody may have installed the same while this waited.
        if let Some(plugin) = self.installed(digest) {
            return Ok(plugin);
        }
        let Cached { component, described } = self.code(digest, bytes, permit).await?;
        let engine = (!described).then_some(&self.inner.engine);
        let plugin = Plugin::link(engine, &self.inner.linker, &component, inspected, digest, source).await?;
        if let Some(cache) = self.inner.cache.as_ref().filter(|_| !described)
            && let Err(error) = cache.note_described(digest)
        {
            tracing::debug!(%digest, %error, "a plugin is asked again at the next start what it is");
        }
        let plugin = Arc::new(plugin);
        let mut installed = self
            .inner
            .installed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        installed.retain(|_, plugin| plugin.strong_count() > 0);
        if let Some(earlier) = installed.get(&digest).and_then(Weak::upgrade) {
            return Ok(earlier);
        }
        installed.insert(digest, Arc::downgrade(&plugin));
        Ok(plugin)
    }

    /// What the component says of itself: the exact text for its section `stanch:manifest`, which it may lack. For what
    /// builds plugins; nothing is installed.
    ///
    /// # Errors
    /// As [`Sandbox::install`], where it comes that far.
    pub async fn describe(&self, bytes: Arc<[u8]>) -> Result<String, InstallError> {
        if bytes.len() as u64 > MOST_BYTES {
            return Err(InstallError::TooLarge {
                bytes: bytes.len() as u64,
                most: MOST_BYTES,
            });
        }
        let kind = inspect::kind_of(&bytes)?;
        let permit = self
            .inner
            .compiling
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let source = bytes.clone();
        let Cached { component, .. } = self.code(Digest::of(&bytes), bytes, permit).await?;
        let code = Code::link(&self.inner.linker, &component, kind, &source)?;
        let said = plugin::describe(&self.inner.engine, &code, &source).await?;
        inspect::manifest(said.as_bytes(), "answer of `describe`")?;
        Ok(said)
    }

    /// Compiles, or takes from the cache, in a thread that may block. The permit is held until the compiler is done, also
    /// where nobody waits for it any more.
    async fn code(
        &self,
        digest: Digest,
        bytes: Arc<[u8]>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Cached, InstallError> {
        let inner = self.inner.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.code(digest, &bytes)
        });
        match tokio::time::timeout(COMPILE_TIME, work).await {
            Ok(Ok(component)) => component,
            Ok(Err(error)) => Err(InstallError::Host {
                why: error.to_string(),
            }),
            Err(_) => Err(InstallError::CompileTime { most: COMPILE_TIME }),
        }
    }

    /// The plugin with this digest, where it is installed.
    pub fn installed(&self, digest: Digest) -> Option<Arc<Plugin>> {
        self.inner
            .installed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&digest)
            .and_then(Weak::upgrade)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("allocation", &self.inner.allocation)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// The compiled component, from the cache or the compiler.
    fn code(&self, digest: Digest, bytes: &[u8]) -> Result<Cached, InstallError> {
        if let Some(cached) = self
            .cache
            .as_ref()
            .and_then(|cache| cache.load(&self.engine, digest))
        {
            return Ok(cached);
        }
        let compiled = match &self.compiler {
            Some(compiler) => compiler.compile(bytes, COMPILE_TIME)?,
            None => self
                .engine
                .precompile_component(bytes)
                .map_err(|error| InstallError::Compile {
                    why: text::clean_line_to(&format!("{error:#}"), 400),
                })?,
        };
        self.compiled.fetch_add(1, Ordering::Relaxed);
        if let Some(cache) = &self.cache {
            match cache.store(digest, &compiled) {
                // Mapped from the file, it shares its memory with every process that has it.
                Ok(()) => {
                    if let Some(cached) = cache.load(&self.engine, digest) {
                        return Ok(cached);
                    }
                }
                Err(error) => tracing::warn!(%digest, %error, "a compiled plugin cannot be kept"),
            }
        }
        let component =
            cache::load_compiled(&self.engine, &compiled).map_err(|error| InstallError::Host {
                why: text::clean_line_to(&format!("{error:#}"), 400),
            })?;
        Ok(Cached {
            component,
            described: false,
        })
    }
}

fn closed() -> InstallError {
    InstallError::Host {
        why: "the engine is shutting down".into(),
    }
}

/// The engine, with the largest pool that fits: whole, a quarter, a sixteenth, none.
fn engine(calls: u32) -> wasmtime::Result<(Engine, Allocation)> {
    let mut why = String::new();
    for calls in [calls, calls / 4, calls / 16]
        .into_iter()
        .filter(|calls| *calls > 0)
    {
        let mut config = config();
        config.allocation_strategy(pool(calls));
        match Engine::new(&config) {
            Ok(engine) => return Ok((engine, Allocation::Pooled { calls })),
            Err(error) => why = text::clean_line_to(&format!("{error:#}"), 300),
        }
        tracing::warn!(calls, %why, "there is no room for a pool of that many instances");
    }
    let mut config = config();
    // Where address space is short, no more of it is taken than a plugin may ever use.
    config
        .memory_reservation(MOST_MEMORY.0)
        .memory_reservation_for_growth(0)
        .memory_guard_size(64 << 10);
    Ok((Engine::new(&config)?, Allocation::OnDemand { why }))
}

/// What is compiled depends on this alone.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.concurrency_support(false);
    config.wasm_features(
        WasmFeatures::THREADS
            | WasmFeatures::SHARED_EVERYTHING_THREADS
            | WasmFeatures::MEMORY64
            | WasmFeatures::GC
            | WasmFeatures::FUNCTION_REFERENCES
            | WasmFeatures::EXCEPTIONS
            | WasmFeatures::LEGACY_EXCEPTIONS
            | WasmFeatures::STACK_SWITCHING
            | WasmFeatures::CUSTOM_PAGE_SIZES
            | WasmFeatures::WIDE_ARITHMETIC
            | WasmFeatures::RELAXED_SIMD
            | WasmFeatures::CM_ASYNC
            | WasmFeatures::CM_GC,
        false,
    );
    config
}

fn pool(calls: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(INSTANCES))
        .total_memories(calls.saturating_mul(4))
        .total_tables(calls.saturating_mul(TABLES))
        .total_stacks(calls)
        .max_core_instances_per_component(INSTANCES)
        .max_memories_per_component(4)
        .max_tables_per_component(TABLES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(usize::try_from(MOST_MEMORY.0).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS)
        // What a plugin wrote to is found by asking the kernel and cleared by copying, up to this much; giving pages back
        // and faulting them in again took a third of a short call. Where the kernel cannot say, it is done the slow way.
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(16 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Counts epochs until the engine is gone.
fn count_epochs(engine: EngineWeak) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("stanch-epoch".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
    Ok(())
}
