# MLIR from Debian's packages: the two shared libraries, never a static MLIR target beside them (duplicate TypeIDs).

find_package(MLIR 22.1 REQUIRED CONFIG HINTS $ENV{LLVM_PREFIX}/lib/cmake/mlir /usr/lib/llvm-22/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(YUPANA_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
find_package(fmt REQUIRED)

add_library(YupanaMLIR INTERFACE)
target_include_directories(YupanaMLIR SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_compile_definitions(YupanaMLIR INTERFACE ${YUPANA_LLVM_DEFINITIONS})
target_link_libraries(YupanaMLIR INTERFACE MLIR LLVM)

# The headers nearly every dialect and pass file reads, compiled once.
add_library(YupanaPCH STATIC ${CMAKE_SOURCE_DIR}/tools/cmake/Precompiled.cpp)
target_link_libraries(YupanaPCH PUBLIC YupanaMLIR)
target_precompile_headers(YupanaPCH PRIVATE ${CMAKE_SOURCE_DIR}/tools/cmake/Precompiled.h)

# yupana_compiler_library(name sources... [LINK libs...] [DEPENDS targets...] [NO_PCH])
function(yupana_compiler_library name)
  cmake_parse_arguments(ARG "NO_PCH" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC YupanaMLIR ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  # g++-12 writes a precompiled header of a gigabyte here and gains nothing by it.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT ARG_NO_PCH)
    target_precompile_headers(${name} REUSE_FROM YupanaPCH)
  endif()
endfunction()

# yupana_tablegen(target td out:flags... )
# Runs mlir-tblgen once per "file.inc=-flag -flag" and gathers the outputs under one target.
function(yupana_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  foreach(rule ${ARGN})
    string(REGEX MATCH "^([^=]+)=(.*)$" unused ${rule})
    set(output ${CMAKE_MATCH_1})
    separate_arguments(flags UNIX_COMMAND "${CMAKE_MATCH_2}")
    mlir_tablegen(${output} ${flags} EXTRA_INCLUDES ${CMAKE_SOURCE_DIR} ${MLIR_INCLUDE_DIRS})
  endforeach()
  add_public_tablegen_target(${target})
endfunction()
