/* What a layer asks of the disk file by file, asked in one call for many, while other threads have the interpreter.
 *
 * Nothing is decided here: `disk.py` says what these functions are for and does the same without them. A file that gives any
 * trouble is left to it, and so are all messages.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

#define AT_ONCE 256 /* names that are looked at before the interpreter is wanted again: 36 KiB of the stack */
#define NANOSECONDS 1000000000LL

/* A stretch of a file, where its bytes go, and what the file has to be. Numbers are taken modulo 2^64, as comparing needs no more. */
struct part {
    const char *path;
    char *into;
    unsigned long long device, inode, size, mtime_ns, ctime_ns;
    Py_ssize_t offset, length;
};

static int is_unchanged(int fd, const struct part *part) {
    struct stat facts;
    if (fstat(fd, &facts) != 0)
        return 0;
    uint64_t mtime_ns = (uint64_t)facts.st_mtim.tv_sec * NANOSECONDS + (uint64_t)facts.st_mtim.tv_nsec;
    return (uint64_t)facts.st_dev == part->device && (uint64_t)facts.st_ino == part->inode &&
           (uint64_t)facts.st_size == part->size && mtime_ns == part->mtime_ns;
}

static int was_read(const struct part *part) {
    /* The flags of context.py: no link is followed, and a FIFO does not block. */
    int fd = open(part->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return 0;
    Py_ssize_t done = 0;
    while (done < part->length) {
        ssize_t count = pread(fd, part->into + done, (size_t)(part->length - done), (off_t)(part->offset + done));
        if (count <= 0)
            break;
        done += count;
    }
    int is_right = done == part->length && is_unchanged(fd, part);
    close(fd);
    return is_right;
}

/* Fill `part` from a FilePart of segments.py; its path stays that of the Python object. */
static int parse_part(PyObject *file, const Py_buffer *buffer, struct part *part) {
    Py_ssize_t position;
    if (!PyTuple_Check(file)) {
        PyErr_SetString(PyExc_TypeError, "a part of a file is a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(file, "n(yKKKKK)nn", &position, &part->path, &part->device, &part->inode, &part->size,
                          &part->mtime_ns, &part->ctime_ns, &part->offset, &part->length))
        return 0;
    if (position < 0 || part->offset < 0 || part->length < 0 || position > buffer->len - part->length) {
        PyErr_SetString(PyExc_ValueError, "a part of a file lies outside of the buffer");
        return 0;
    }
    part->into = (char *)buffer->buf + position;
    return 1;
}

static PyObject *read_parts(const Py_buffer *buffer, PyObject *files) {
    Py_ssize_t count = PyTuple_GET_SIZE(files), done = 0;
    struct part *parts = PyMem_New(struct part, (size_t)(count ? count : 1));
    if (parts == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!parse_part(PyTuple_GET_ITEM(files, i), buffer, &parts[i])) {
            PyMem_Free(parts);
            return NULL;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    while (done < count && was_read(&parts[done]))
        done++;
    Py_END_ALLOW_THREADS
    PyMem_Free(parts);
    return PyLong_FromSsize_t(done);
}

static PyObject *read_files(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer buffer;
    PyObject *files;
    if (!PyArg_ParseTuple(arguments, "w*O!", &buffer, &PyTuple_Type, &files))
        return NULL;
    PyObject *done = read_parts(&buffer, files);
    PyBuffer_Release(&buffer);
    return done;
}

/* As `st_mtime_ns`: exact for every time that a file system can hold, of which some are beyond 63 bits of nanoseconds. */
static PyObject *nanoseconds(struct timespec time) {
    if (time.tv_sec < INT64_MAX / NANOSECONDS && time.tv_sec > INT64_MIN / NANOSECONDS)
        return PyLong_FromLongLong(time.tv_sec * NANOSECONDS + time.tv_nsec);
    PyObject *seconds = PyLong_FromLongLong(time.tv_sec), *factor = PyLong_FromLongLong(NANOSECONDS);
    PyObject *whole = seconds && factor ? PyNumber_Multiply(seconds, factor) : NULL;
    PyObject *rest = PyLong_FromLong(time.tv_nsec);
    PyObject *sum = whole && rest ? PyNumber_Add(whole, rest) : NULL;
    Py_XDECREF(seconds);
    Py_XDECREF(factor);
    Py_XDECREF(whole);
    Py_XDECREF(rest);
    return sum;
}

static PyObject *as_tuple(const struct stat *facts) {
    return Py_BuildValue("(kkkLNNKKK)", (unsigned long)facts->st_mode, (unsigned long)facts->st_uid,
                         (unsigned long)facts->st_gid, (long long)facts->st_size, nanoseconds(facts->st_mtim),
                         nanoseconds(facts->st_ctim), (unsigned long long)facts->st_ino,
                         (unsigned long long)facts->st_dev, (unsigned long long)facts->st_nlink);
}

/* The facts of names[start] and at most AT_ONCE - 1 that follow, appended to `found`; how many, or -1 with an error set. */
static Py_ssize_t look_at_some(int directory, PyObject *names, Py_ssize_t start, PyObject *found) {
    const char *paths[AT_ONCE];
    struct stat facts[AT_ONCE];
    Py_ssize_t count = PyTuple_GET_SIZE(names) - start, seen = 0;
    if (count > AT_ONCE)
        count = AT_ONCE;
    for (Py_ssize_t i = 0; i < count; i++)
        if ((paths[i] = PyBytes_AsString(PyTuple_GET_ITEM(names, start + i))) == NULL)
            return -1;
    Py_BEGIN_ALLOW_THREADS
    while (seen < count && fstatat(directory, paths[seen], &facts[seen], AT_SYMLINK_NOFOLLOW) == 0)
        seen++;
    Py_END_ALLOW_THREADS
    if (seen < count) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *each = as_tuple(&facts[i]);
        if (each == NULL || PyList_Append(found, each) < 0) {
            Py_XDECREF(each);
            return -1;
        }
        Py_DECREF(each);
    }
    return count;
}

static PyObject *look(PyObject *module, PyObject *arguments) {
    (void)module;
    int directory;
    PyObject *names;
    if (!PyArg_ParseTuple(arguments, "iO!", &directory, &PyTuple_Type, &names))
        return NULL;
    PyObject *found = PyList_New(0);
    Py_ssize_t count = found == NULL ? -1 : 0;
    for (Py_ssize_t start = 0; count >= 0 && start < PyTuple_GET_SIZE(names); start += count)
        count = look_at_some(directory, names, start, found);
    if (count < 0)
        Py_CLEAR(found);
    return found;
}

static PyMethodDef functions[] = {
    {"look", look, METH_VARARGS, "look(directory, names): the facts of each name, no link followed."},
    {"read_files", read_files, METH_VARARGS, "read_files(buffer, files): how many at the front were read as they should be."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
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
