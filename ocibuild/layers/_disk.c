/* What a layer asks of the disk file by file, asked in one call for many, while other threads have the interpreter.
 *
 * Nothing is decided here: `disk.py` says what these functions are for and does the same without them. A file that gives any
 * trouble is left to it, and so are all messages.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

#define INTERFACE 2 /* what disk.py expects of these functions: a module that was compiled from an older source is not used */
#define AT_ONCE 128 /* names that are looked at before the interpreter is wanted again: 18 KiB of the stack */
#define NANOSECONDS 1000000000LL

/* What lstat says, laid out as the struct in disk.py. The first fields tell whether a file is what it was, up to the mtime: the
 * ctime is not compared, as it is not in context.py, since another mode or another link is not another content. */
#define FACTS_SIZE 68
#define UNCHANGED_SIZE 36

static char *put(char *end, const void *field, size_t size) {
    memcpy(end, field, size);
    return end + size;
}

static void pack_facts(const struct stat *facts, char packed[FACTS_SIZE]) {
    uint64_t identity[3] = {(uint64_t)facts->st_dev, (uint64_t)facts->st_ino, (uint64_t)facts->st_size};
    int64_t modified = facts->st_mtim.tv_sec, changed = facts->st_ctim.tv_sec;
    uint32_t modified_ns = (uint32_t)facts->st_mtim.tv_nsec, changed_ns = (uint32_t)facts->st_ctim.tv_nsec;
    uint32_t access[3] = {facts->st_mode, facts->st_uid, facts->st_gid};
    uint64_t names = facts->st_nlink;
    packed = put(packed, identity, sizeof identity);
    packed = put(put(packed, &modified_ns, sizeof modified_ns), &modified, sizeof modified);
    packed = put(packed, access, sizeof access);
    packed = put(put(packed, &changed, sizeof changed), &changed_ns, sizeof changed_ns);
    put(packed, &names, sizeof names);
}

/* A stretch of a file, where its bytes go, and the facts that it has to have. */
struct part {
    const char *path, *facts;
    long long offset;
    Py_ssize_t position, length;
};

static int is_unchanged(int fd, const struct part *part) {
    struct stat facts;
    char packed[FACTS_SIZE];
    if (fstat(fd, &facts) != 0)
        return 0;
    pack_facts(&facts, packed);
    return memcmp(packed, part->facts, UNCHANGED_SIZE) == 0;
}

static int was_read(char *buffer, const struct part *part) {
    /* The flags of context.py: no link is followed, and a FIFO does not block. */
    int fd = open(part->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return 0;
    char *into = buffer + part->position;
    Py_ssize_t done = 0;
    while (done < part->length) {
        ssize_t count = pread(fd, into + done, (size_t)(part->length - done), (off_t)(part->offset + done));
        if (count <= 0)
            break;
        done += count;
    }
    int is_right = done == part->length && is_unchanged(fd, part);
    close(fd);
    return is_right;
}

/* The path and the facts of what was Found; they stay those of the Python objects. */
static int parse_content(PyObject *content, struct part *part) {
    PyObject *path = PyTuple_GET_SIZE(content) > 1 ? PyTuple_GET_ITEM(content, 0) : NULL;
    PyObject *facts = path == NULL ? NULL : PyTuple_GET_ITEM(content, 1);
    if (path == NULL || !PyBytes_Check(path) || !PyBytes_Check(facts)) {
        PyErr_SetString(PyExc_TypeError, "a file is a tuple of a path, its facts, and more");
        return 0;
    }
    part->path = PyBytes_AS_STRING(path);
    part->facts = PyBytes_AS_STRING(facts);
    if (strlen(part->path) == (size_t)PyBytes_GET_SIZE(path) && PyBytes_GET_SIZE(facts) == FACTS_SIZE)
        return 1;
    PyErr_SetString(PyExc_ValueError, "a path has a NUL in it, or facts are of another size");
    return 0;
}

/* A part from a FilePart. */
static int parse_part(PyObject *file, struct part *part) {
    PyObject *content;
    /* Tuples cannot change, so that what is borrowed from them stays. */
    if (!PyTuple_Check(file)) {
        PyErr_SetString(PyExc_TypeError, "a part of a file is a tuple");
        return 0;
    }
    return PyArg_ParseTuple(file, "nO!Ln", &part->position, &PyTuple_Type, &content, &part->offset, &part->length) &&
           parse_content(content, part);
}

/* A buffer that is filled from its beginning to its end: whatever lies between two pieces becomes zeros. */
struct filling {
    char *buffer;
    Py_ssize_t size, filled;
};

/* Go on to the end of the piece of `length` bytes at `position`; its bytes are for the caller to write. */
static int go_past(struct filling *filling, Py_ssize_t position, Py_ssize_t length) {
    if (position < filling->filled || length < 0 || position > filling->size || length > filling->size - position) {
        PyErr_SetString(PyExc_ValueError, "a piece lies outside of the segment, or upon another one");
        return 0;
    }
    memset(filling->buffer + filling->filled, 0, (size_t)(position - filling->filled));
    filling->filled = position + length;
    return 1;
}

/* Write the blocks, and zeros wherever there is neither a block nor a part of a file. */
static int fill_around(struct filling *filling, PyObject *blocks, const struct part *parts, Py_ssize_t count) {
    Py_ssize_t next = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(blocks); i++) {
        PyObject *block = PyTuple_GET_ITEM(blocks, i);
        Py_ssize_t position, length;
        const char *bytes;
        if (!PyTuple_Check(block) || !PyArg_ParseTuple(block, "ny#", &position, &bytes, &length)) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_TypeError, "a block is a tuple");
            return 0;
        }
        for (; next < count && parts[next].position < position; next++)
            if (!go_past(filling, parts[next].position, parts[next].length))
                return 0;
        if (!go_past(filling, position, length))
            return 0;
        memcpy(filling->buffer + position, bytes, (size_t)length);
    }
    for (; next < count; next++)
        if (!go_past(filling, parts[next].position, parts[next].length))
            return 0;
    return go_past(filling, filling->size, 0);
}

/* How many of the parts at the front were read as they should be; -1 with an error set. */
static Py_ssize_t fill(char *buffer, Py_ssize_t size, PyObject *blocks, PyObject *files) {
    Py_ssize_t count = PyTuple_GET_SIZE(files), done = 0;
    struct filling filling = {buffer, size, 0};
    struct part *parts = PyMem_New(struct part, (size_t)(count ? count : 1));
    if (parts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count && done == 0; i++)
        if (!parse_part(PyTuple_GET_ITEM(files, i), &parts[i]))
            done = -1;
    if (done == 0 && !fill_around(&filling, blocks, parts, count))
        done = -1;
    if (done == 0) {
        Py_BEGIN_ALLOW_THREADS
        while (done < count && was_read(buffer, &parts[done]))
            done++;
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(parts);
    return done;
}

static PyObject *load(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_ssize_t size;
    PyObject *blocks, *files;
    if (!PyArg_ParseTuple(arguments, "nO!O!", &size, &PyTuple_Type, &blocks, &PyTuple_Type, &files))
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "a segment has no size below zero");
        return NULL;
    }
    PyObject *buffer = PyByteArray_FromStringAndSize(NULL, size); /* not zeros yet, which `bytearray(size)` would be */
    if (buffer == NULL)
        return NULL;
    Py_ssize_t done = fill(PyByteArray_AS_STRING(buffer), size, blocks, files);
    if (done < 0) {
        Py_DECREF(buffer);
        return NULL;
    }
    return Py_BuildValue("Nn", buffer, done);
}

/* As `st_mtime_ns`: exact for every time that a file system can hold, of which some are beyond 63 bits of nanoseconds. */
static PyObject *nanoseconds(struct timespec time) {
    long long whole_seconds = time.tv_sec;
    if (whole_seconds < INT64_MAX / NANOSECONDS && whole_seconds > INT64_MIN / NANOSECONDS)
        return PyLong_FromLongLong(whole_seconds * NANOSECONDS + time.tv_nsec);
    PyObject *seconds = PyLong_FromLongLong(whole_seconds), *factor = PyLong_FromLongLong(NANOSECONDS);
    PyObject *whole = seconds && factor ? PyNumber_Multiply(seconds, factor) : NULL;
    PyObject *rest = PyLong_FromLong(time.tv_nsec);
    PyObject *sum = whole && rest ? PyNumber_Add(whole, rest) : NULL;
    Py_XDECREF(seconds);
    Py_XDECREF(factor);
    Py_XDECREF(whole);
    Py_XDECREF(rest);
    return sum;
}

static struct timespec later(struct timespec one, struct timespec other) {
    int is_later = one.tv_sec != other.tv_sec ? one.tv_sec > other.tv_sec : one.tv_nsec > other.tv_nsec;
    return is_later ? one : other;
}

static PyObject *joined(const char *prefix, Py_ssize_t prefix_size, const char *name) {
    size_t name_size = strlen(name);
    PyObject *path = PyBytes_FromStringAndSize(NULL, prefix_size + (Py_ssize_t)name_size);
    if (path != NULL)
        put(put(PyBytes_AS_STRING(path), prefix, (size_t)prefix_size), name, name_size);
    return path;
}

/* The names in a directory, as C strings, in the order of their bytes. */
struct listing {
    char **names;
    size_t count, room;
};

static int in_order(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other); /* which compares bytes as unsigned */
}

static int append(struct listing *listing, const char *name) {
    if (listing->count == listing->room) {
        size_t room = listing->room ? 2 * listing->room : 32;
        char **names = realloc(listing->names, room * sizeof *names);
        if (names == NULL)
            return 0;
        listing->names = names;
        listing->room = room;
    }
    char *copy = strdup(name);
    if (copy != NULL)
        listing->names[listing->count++] = copy;
    return copy != NULL;
}

/* 0, or an errno. */
static int list(int directory, struct listing *listing) {
    int own = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    DIR *stream = own < 0 ? NULL : fdopendir(own);
    if (stream == NULL) {
        int error = errno;
        if (own >= 0)
            close(own);
        return error;
    }
    rewinddir(stream); /* whose position it shares with `directory` */
    struct dirent *entry;
    int error = 0;
    while (error == 0 && (errno = 0, entry = readdir(stream)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !append(listing, entry->d_name))
            error = ENOMEM;
    if (error == 0)
        error = errno;
    closedir(stream);
    if (listing->count)
        qsort(listing->names, listing->count, sizeof *listing->names, in_order);
    return error;
}

/* What is looked for, and for whom: instances of `type`, whose paths begin with `prefix`. */
struct looking {
    int directory;
    PyTypeObject *type;
    const char *prefix;
    Py_ssize_t prefix_size;
};

static PyObject *as_found(const struct looking *looking, const char *name, const struct stat *facts) {
    char packed[FACTS_SIZE];
    pack_facts(facts, packed);
    PyObject *fields = Py_BuildValue(
        "((Ny#kLKNy#()))", joined(looking->prefix, looking->prefix_size, name), packed, (Py_ssize_t)FACTS_SIZE,
        (unsigned long)facts->st_mode, (long long)facts->st_size, (unsigned long long)facts->st_nlink,
        nanoseconds(later(facts->st_mtim, facts->st_ctim)), "", (Py_ssize_t)0);
    PyObject *found = fields == NULL ? NULL : PyTuple_Type.tp_new(looking->type, fields, NULL);
    Py_XDECREF(fields);
    return found;
}

/* The facts of at most AT_ONCE names, appended to `found`; 0 with an error set. */
static int look_at_some(const struct looking *looking, char **names, size_t count, PyObject *found) {
    struct stat facts[AT_ONCE];
    size_t seen = 0;
    Py_BEGIN_ALLOW_THREADS
    while (seen < count && fstatat(looking->directory, names[seen], &facts[seen], AT_SYMLINK_NOFOLLOW) == 0)
        seen++;
    Py_END_ALLOW_THREADS
    if (seen < count) {
        PyErr_SetFromErrno(PyExc_OSError);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *each = as_found(looking, names[i], &facts[i]);
        if (each == NULL || PyList_Append(found, each) < 0) {
            Py_XDECREF(each);
            return 0;
        }
        Py_DECREF(each);
    }
    return 1;
}

static int look_at_all(const struct looking *looking, PyObject *found) {
    struct listing listing = {NULL, 0, 0};
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = list(looking->directory, &listing);
    Py_END_ALLOW_THREADS
    if (error != 0) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    int is_good = error == 0;
    for (size_t start = 0; is_good && start < listing.count; start += AT_ONCE) {
        size_t left = listing.count - start;
        is_good = look_at_some(looking, listing.names + start, left < AT_ONCE ? left : AT_ONCE, found);
    }
    for (size_t i = 0; i < listing.count; i++)
        free(listing.names[i]);
    free(listing.names);
    return is_good;
}

static PyObject *look(PyObject *module, PyObject *arguments) {
    (void)module;
    struct looking looking;
    if (!PyArg_ParseTuple(arguments, "iy#O!", &looking.directory, &looking.prefix, &looking.prefix_size, &PyType_Type,
                          &looking.type))
        return NULL;
    if (!PyType_IsSubtype(looking.type, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "what is found has to be a kind of tuple");
        return NULL;
    }
    PyObject *found = PyList_New(0);
    if (found != NULL && !look_at_all(&looking, found))
        Py_CLEAR(found);
    return found;
}

static PyMethodDef functions[] = {
    {"look", look, METH_VARARGS, "look(directory, prefix, Found): all that is in a directory, no link followed."},
    {"load", load, METH_VARARGS, "load(size, blocks, files): a segment, and how many of its files were read as they should be."},
    {NULL, NULL, 0, NULL},
};

static int add_interface(PyObject *module) {
    return PyModule_AddIntConstant(module, "INTERFACE", INTERFACE);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_interface},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_disk", .m_methods = functions, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__disk(void) {
    return PyModuleDef_Init(&definition);
}
